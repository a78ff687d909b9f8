"""`dispatcher up` with replies arriving by PULL, SOAP and PUSH at once, and an opt-out in the middle of a campaign."""

import socket
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery

from ops.simulator.process import SimulatorProcess
from tests.acceptance.live_system import LiveSystem


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def up(live: LiveSystem, port: int, **settings: str) -> Iterator[None]:
    """Run `dispatcher up` once its API answers; it must stop cleanly, since what it started is not the test's child."""
    cluster = live.cluster
    cluster.environment |= {
        "DISPATCHER_PUSH_PORT": str(port),
        "DISPATCHER_PUSH_HOST": "127.0.0.1",
        "DISPATCHER_WEB_PORT": str(free_port()),
        "DISPATCHER_FLOWER_PORT": str(free_port()),
        "DISPATCHER_INBOX_INTERVAL": "1",
        "DISPATCHER_USUARIO": "USU",
        "DISPATCHER_CLAVE": "CLA",
        "DISPATCHER_CHUNK_SIZE": "5",
        **settings,
    }
    running = cluster.spawn("up", [sys.executable, "-m", "dispatcher", "up"], PYTHONUNBUFFERED="1")

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        live.wait_for(answers, 30, "the API answers")
        yield
    finally:
        running.terminate()
        code = running.wait(60)
    assert code == 0


def test_replies_by_pull_soap_and_push_at_once_are_each_stored_once(
    live: LiveSystem, simulator: SimulatorProcess
) -> None:
    simulator.set_option(user=["USU:CLA"])
    campaign = live.load(40, chunk_size=5)
    port = free_port()
    with up(live, port):
        simulator.set_option(push_url=f"http://127.0.0.1:{port}/push/smsmasivos", push_tries=3)
        live.finish(campaign)
        numbers = [f"11{20_000_000 + n}" for n in range(12)]
        for again in range(2):
            for number in numbers:
                simulator.reply(number, "SI")
            # The Web Service beside beat's own pulls, and the pushes of all.
            live.cluster.cli("inbox", "pull", "--transport", "soap", *(["--whole"] if again else []))
        given = list(simulator.replies())
        assert len(given) == 24
        live.wait_for(
            lambda: (
                {push["id"] for push in simulator.pushes() if push["status"] == 200} == {reply["id"] for reply in given}
            ),
            20,
            "everything pushed",
        )
        live.wait_for(
            lambda: live.value("SELECT count(*) FROM reply WHERE provider_id IS NOT NULL") == 24,
            20,
            "everything pulled",
        )
        listed = live.cluster.cli("inbox", "list")["replies"]
        assert Counter(reply["id"] for reply in listed) == Counter(reply["id"] for reply in given)
        assert Counter(reply["origen"] for reply in listed) == Counter(dict.fromkeys(numbers, 2))
        assert {(reply["campaign_id"], reply["seq"]) for reply in listed} == {(campaign, n + 1) for n in range(12)}
        assert live.value("SELECT count(*) FROM reply WHERE pushed_at IS NULL") == 0


def test_a_baja_in_the_middle_of_a_campaign_stops_that_persons_message(
    live: LiveSystem, simulator: SimulatorProcess
) -> None:
    """The rate lets five messages a second go, so the last ones are still queued when the BAJA comes."""
    first = live.load(20, chunk_size=5)
    port = free_port()
    with up(live, port, DISPATCHER_RATE="300"):
        simulator.set_option(push_url=f"http://127.0.0.1:{port}/push/smsmasivos")
        live.wait_for(lambda: simulator.sent()["lines"] >= 5, 20, "under way")
        last = f"11{20_000_000 + 19}"
        simulator.reply(last, "Baja!")
        shown = live.finish(first)
        assert shown.counts == {"ok": 19, "suppressed": 1}
        assert shown.left_out == {"optout_at_claim": 1}
        assert last not in {line["destino"] for line in simulator.ledger()}
        (out,) = live.cluster.cli("optout", "list")["optouts"]
        assert (out["number"], out["source"]) == (last, "reply")


def test_a_message_now_does_not_wait_behind_a_campaign(live: LiveSystem, simulator: SimulatorProcess) -> None:
    campaign = live.load(2000, chunk_size=20)
    simulator.set_option(latency=0.05)
    with up(live, free_port()):
        live.wait_for(lambda: simulator.sent()["lines"] >= 100, 30, "the campaign is under way")
        with Celery("caller", broker=live.cluster.environment["DISPATCHER_BROKER_URL"]) as caller:
            for n in range(3):
                payload = {"number": "1144445555", "text": f"Turno {n}", "idinterno": f"TURNO{n}"}
                caller.send_task("dispatcher.send_message", args=[payload], queue="urgent")
        live.wait_for(
            lambda: live.value("SELECT count(*) FROM single_message WHERE state = 'accepted' AND code = 0") == 3,
            20,
            "sent",
        )
        assert live.show(campaign).state == "running"
        # In whatever order: the urgent queue has more than one place.
        sent = [line["idinterno"] for line in simulator.ledger() if line["destino"] == "1144445555"]
        assert sorted(sent) == ["TURNO0", "TURNO1", "TURNO2"]
