"""Single messages through the queue `urgent`, while a campaign runs on the same database, broker and provider."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from celery import Celery

from ops.bench.lists import write_list
from ops.bench.stack import Stack, stack
from ops.commands import worker

CAMPAIGN = 200_000
LATENCY = 0.05
"""Seconds that the provider takes for each answer: what a near one takes, and enough for a campaign of some length."""
_CHUNK = 250
_A_SECOND = 5.0
_COMPLETES_WITHIN = 120.0


@dataclass(frozen=True)
class Outcome:
    """Seconds from handing each message to the broker until its outcome was recorded, less the provider's own."""

    waits: list[float]
    seconds: float  # of the campaign beside it
    messages: int

    def quantile(self, share: float) -> float:
        """The wait that this share of the messages did not exceed."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(messages: int = CAMPAIGN) -> Outcome:
    """Send single messages at a steady pace, with nobody waiting for them, until the campaign is completed."""
    with stack("urgent", DISPATCHER_CHUNK_SIZE=str(_CHUNK)) as running:
        path = write_list(running.home / "clientes.csv", messages)
        running.simulator.set_option(latency=LATENCY)
        urgent = worker(running.settings, "urgent")
        with running.workers(), running.processes(urgent=urgent):
            asker = Celery("bench", broker=running.settings.celery_broker_url)
            _hand_in(asker, 0)
            running.wait(lambda: running.scalar(_RECORDED), 60, "the first single message has no outcome")
            running.load(path)
            running.wait(lambda: running.scalar(_POSTED), 60, "the campaign does not begin")
            began = time.time()
            handed_in = dict(_until(running, asker, began))
            seconds = time.time() - began
            running.wait(lambda: running.scalar(_RECORDED) > len(handed_in), 60, "a single message has no outcome")
            rows = running.observer.execute(
                "SELECT idinterno, extract(epoch FROM finished_at), state FROM single_message"
            ).fetchall()
    if wrong := [state for _, _, state in rows if state != "accepted"]:
        raise RuntimeError(f"{len(wrong)} single messages were not accepted but {wrong[0]}")
    finished = {idinterno: float(at) for idinterno, at, _ in rows}
    waits = [finished[idinterno] - at - LATENCY for idinterno, at in handed_in.items()]
    return Outcome(waits, seconds, messages)


_RECORDED = "SELECT count(*) FROM single_message WHERE finished_at IS NOT NULL"
_POSTED = "SELECT count(*) FROM chunk WHERE state = 'accepted'"
_OPEN = "SELECT count(*) FROM campaign WHERE state IN ('scheduled', 'running')"


def _until(running: Stack, asker: Celery, began: float) -> Iterator[tuple[str, float]]:
    """Hand messages in, each at its time whatever became of the one before, until the campaign has ended."""
    number = 0
    while running.scalar(_OPEN):
        if time.time() > began + _COMPLETES_WITHIN:
            raise RuntimeError(f"the campaign is not completed within {_COMPLETES_WITHIN:.0f} s")
        number += 1
        time.sleep(max(0.0, began + number / _A_SECOND - time.time()))
        yield _hand_in(asker, number)


def _hand_in(asker: Celery, number: int) -> tuple[str, float]:
    """As another service does it (README, "One message now"). Returns the idinterno and the moment before."""
    idinterno = f"URGENTE{number}"
    payload = {"number": f"11{40_000_000 + number}", "text": f"Su codigo es {number}", "idinterno": idinterno}
    now = time.time()
    asker.send_task("dispatcher.send_message", queue="urgent", args=[payload])
    return idinterno, now
