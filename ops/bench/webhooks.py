"""A whole campaign with endpoints that are told of every result, next to the same one without."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median

from dispatcher.webhooks import endpoints
from dispatcher.webhooks.event_types import EventType
from ops.bench.campaign import COMPLETED, COMPLETES_WITHIN, create
from ops.bench.lists import write_list
from ops.bench.meter import Meter
from ops.bench.stack import Stack, stack
from ops.commands import worker

ENDPOINTS = 3
_ROUNDS = 3
_DELIVERED_WITHIN = 120.0


@dataclass(frozen=True)
class Outcome:
    """Seconds of campaigns of `messages`, without endpoints and with them, taken in turn."""

    messages: int
    without: list[float]
    told: list[float]
    deliveries: int  # of one campaign

    @property
    def ratio(self) -> float:
        """How many times as long a campaign takes that is told of."""
        return median(self.told) / median(self.without)


def measure(messages: int) -> Outcome:
    """Run campaigns of so many messages in turn, and check that every result was told of to every endpoint."""
    without, told, deliveries = [], [], 0
    for turn in range(_ROUNDS):
        without.append(_campaign(f"alone-{turn}", messages, 0)[0])
        seconds, deliveries = _campaign(f"told-{turn}", messages, ENDPOINTS)
        told.append(seconds)
    return Outcome(messages, without, told, deliveries)


def _campaign(name: str, messages: int, wanted: int) -> tuple[float, int]:
    """In a home of its own name: the wheel of Postgres knows a folder that it has seen before."""
    with stack(name, DISPATCHER_WEBHOOK_ALLOW="127.0.0.1") as running, _receiver() as url:
        path = write_list(running.home / "clientes.csv", messages)
        with running.runtime.engine.begin() as connection:
            for _ in range(wanted):
                endpoints.create(connection, running.settings, url, [EventType.MESSAGE_RESULTS])
        with running.workers(), running.processes(webhooks=worker(running.settings, "webhooks")):
            with Meter(running.roots) as meter, running.processes(loader=create(path)):
                running.wait(lambda: running.scalar(COMPLETED), COMPLETES_WITHIN, "the campaign is not completed")
            running.wait(lambda: not running.scalar(_OPEN), _DELIVERED_WITHIN, "not every event was delivered")
        return meter.usage.seconds, _check(running, messages, wanted)


_OPEN = "SELECT count(*) FROM webhook_delivery WHERE state <> 'delivered'"


def _check(running: Stack, messages: int, wanted: int) -> int:
    told = running.scalar("SELECT sum((data->>'count')::int) FROM webhook_event")
    if wanted and told < messages:
        raise RuntimeError(f"{told} of {messages} results were told of")
    return running.scalar("SELECT count(*) FROM webhook_delivery")


@contextmanager
def _receiver() -> Iterator[str]:
    """Takes whatever comes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


class _Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
