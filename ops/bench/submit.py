"""Submitting due chunks from two processes, next to bare `requests` loops that post the same bodies.

A POST alone is cheap, and what it costs depends on how it is made. So there are three kinds of loop: one loop of
`requests.post`, as a script would have it; two of them at once, since we post from two processes; and two that keep
their connection, which a bulk POST of ours never does (one that dies under a reused connection leaves a doubt).
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import requests

from dispatcher import config
from dispatcher.accounts import binding, provider_clock
from dispatcher.provider import form
from dispatcher.runtime import Runtime
from dispatcher.sending import pump as sending_pump
from ops.bench.lists import write_list
from ops.bench.stack import APIKEY, Stack, stack

PROCESSES = 2
ROUNDS = 3
_SPAWN = multiprocessing.get_context("spawn")
_LONGEST_RUN = 300.0
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Work = Callable[[], None]


@dataclass(frozen=True)
class Loops:
    """A kind of bare loop: how many at once, and whether each keeps its connection."""

    processes: int
    keep: bool


ONE_LOOP = "one loop of `requests.post`"
LOOPS = {
    ONE_LOOP: Loops(1, keep=False),
    "two such loops": Loops(PROCESSES, keep=False),
    "two loops that keep their connection": Loops(PROCESSES, keep=True),
}


@dataclass(frozen=True)
class Outcome:
    """Seconds of each round for `messages` in `chunks` POSTs: claimed, posted and written down, and posted alone."""

    messages: int
    chunks: int
    submitted: list[float]
    bare: dict[str, list[float]]

    def ratio(self, loops: str) -> float:
        """The median round's bare seconds over ours."""
        return median(bare / ours for bare, ours in zip(self.bare[loops], self.submitted, strict=True))


def measure(messages: int) -> Outcome:
    """Submit a loaded campaign, then post its bodies again to a simulator that has forgotten them; several rounds."""
    submitted: list[float] = []
    bare: dict[str, list[float]] = {name: [] for name in LOOPS}
    with stack("submit") as running:
        path = write_list(running.home / "clientes.csv", messages)
        url = f"{running.settings.provider_url}/enviar_sms_bloque.asp"
        for _ in range(ROUNDS):
            campaign_id = running.load(path).campaign_id
            assert campaign_id is not None
            provider_clock.ensure(running.runtime, running.scalar("SELECT id FROM account"))
            bodies = _bodies(running, campaign_id)
            running.simulator.reset()
            submitted.append(_together([partial(_pump, dict(os.environ)) for _ in range(PROCESSES)]))
            taken = running.simulator.stats()["taken"]
            if taken != messages:
                raise RuntimeError(f"the provider took {taken} of {messages} messages")
            for name, loops in LOOPS.items():
                running.simulator.reset()
                shares = [bodies[n :: loops.processes] for n in range(loops.processes)]
                bare[name].append(_together([partial(_post, url, share, loops.keep) for share in shares]))
    return Outcome(messages, len(bodies), submitted, bare)


def _bodies(stack: Stack, campaign_id: int) -> list[bytes]:
    """What the chunks' POSTs carry."""
    query = (
        "SELECT string_agg(s.idinterno || chr(9) || s.destino || chr(9) || s.texto, chr(13) || chr(10) ORDER BY s.seq) "
        "FROM message_status s WHERE s.campaign_id = %s GROUP BY s.chunk_no ORDER BY s.chunk_no"
    )
    with stack.runtime.engine.connect() as connection:
        bloques = connection.exec_driver_sql(query, (campaign_id,)).scalars().all()
    return [form.bulk_form(APIKEY, bloque.encode("latin-1"), "tab", False) for bloque in bloques]


def _pump(environment: dict[str, str]) -> Work:
    os.environ.update(environment)
    runtime = Runtime(config.load())
    with runtime.engine.connect() as connection:
        account = binding.find(connection, runtime.settings)
    assert account is not None

    def work() -> None:
        while sending_pump.pump(runtime, account.id):
            pass

    return work


def _post(url: str, bodies: list[bytes], keep: bool) -> Work:
    post: Callable[..., requests.Response] = requests.Session().post if keep else requests.post

    def work() -> None:
        for body in bodies:
            answer = post(url, data=body, headers=_FORM, timeout=60)
            if answer.content.strip() != b"OK":
                raise RuntimeError(f"the simulator said {answer.status_code} {answer.content[:200]!r}")

    return work


def _together(prepared: list[partial[Work]]) -> float:
    """Seconds until the last of several processes has done its work; they start together, once all are prepared."""
    barrier = _SPAWN.Barrier(len(prepared) + 1)
    processes = [_SPAWN.Process(target=_run, args=(prepare, barrier)) for prepare in prepared]
    for process in processes:
        process.start()
    barrier.wait(_LONGEST_RUN)
    began = time.monotonic()
    for process in processes:
        process.join(_LONGEST_RUN)
        if process.exitcode != 0:
            raise RuntimeError(f"a process of the measurement ended with {process.exitcode}")
    return time.monotonic() - began


def _run(prepare: partial[Work], barrier: "multiprocessing.synchronize.Barrier") -> None:
    work = prepare()
    barrier.wait(_LONGEST_RUN)
    work()
    # What Python takes to end is nobody's figure.
    os._exit(0)
