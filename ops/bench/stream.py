"""The results of a campaign over the API, as one stream: how fast, how soon, and in how much memory."""

import contextlib
import http.client
import socket
import sys
import time
from dataclasses import dataclass
from statistics import median

from dispatcher.access import keys
from dispatcher.access.scopes import Scope
from dispatcher.domain.idinterno import MAX_SEQ
from ops.bench.campaign import COMPLETED, COMPLETES_WITHIN
from ops.bench.lists import write_list
from ops.bench.meter import Meter
from ops.bench.stack import Stack, stack
from ops.bench.target import Target, table

KINDS = {"NDJSON": "application/x-ndjson", "CSV": "text/csv"}
ROUNDS = 3
_LONGEST = 120.0
_PIECE = _MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Taken:
    """One stream: its bytes, seconds until the first and the last one; CPU seconds and peak RSS by kind of process."""

    size: int
    first: float
    seconds: float
    cpu: dict[str, float]
    rss: dict[str, int]


@dataclass(frozen=True)
class Outcome:
    """Streams of `messages` results by form; and how many bytes the listener took more at its peak than before."""

    messages: int
    streams: dict[str, list[Taken]]
    growth: int

    def rate(self, kind: str) -> float:
        """Messages a second, in the median."""
        return self.messages / median(taken.seconds for taken in self.streams[kind])

    @property
    def first(self) -> float:
        """Seconds until the first byte, in the slowest of all."""
        return max(taken.first for all_ in self.streams.values() for taken in all_)


def measure(messages: int) -> Outcome:
    """Send a campaign of so many messages, and read all of its results in turn as either form."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with stack("stream", DISPATCHER_WEB_PORT=str(port)) as running:
        running.load(write_list(running.home / "clientes.csv", messages))
        with running.workers():
            running.wait(lambda: running.scalar(COMPLETED), COMPLETES_WITHIN, "the campaign is not completed")
        running.observer.execute("VACUUM ANALYZE")
        _, key = keys.create(running.runtime.engine, "bench", [Scope.RESULTS_READ])
        with running.processes(web=[sys.executable, "-m", "dispatcher", "web"]):
            running.wait(lambda: _answers(port), _LONGEST, "the API does not answer")
            streams: dict[str, list[Taken]] = {kind: [] for kind in KINDS}
            before = _take(running, port, key, KINDS["CSV"], last_seq=1000).rss["web"]
            for _ in range(ROUNDS):
                for kind in KINDS:
                    streams[kind].append(_take(running, port, key, KINDS[kind]))
            peak = max(taken.rss["web"] for all_ in streams.values() for taken in all_)
            return Outcome(messages, streams, peak - before)


def _answers(port: int) -> bool:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except ConnectionError:
            return False


def _take(running: Stack, port: int, key: str, media_type: str, last_seq: int = MAX_SEQ) -> Taken:
    headers = {"Authorization": f"Bearer {key}", "Accept": media_type}
    roots = {kind: running.roots[kind] for kind in ("web", "postgres")}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_LONGEST)) as connection:
        began = time.monotonic()
        with Meter(roots) as meter:
            connection.request("GET", f"/api/v1/campaigns/1/messages?last_seq={last_seq}", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"the stream was answered with {answer.status}")
            size, first = len(answer.read(1)), time.monotonic() - began
            while piece := answer.read1(_PIECE):
                size += len(piece)
    return Taken(size, first, meter.usage.seconds, meter.usage.cpu, meter.usage.rss)


def report(outcome: Outcome) -> tuple[str, list[Target]]:
    """Results over the API."""
    rows = []
    for kind, taken in outcome.streams.items():
        cpu = [median(each.cpu[part] for each in taken) * 1e6 / outcome.messages for part in ("postgres", "web")]
        size, first = taken[0].size / _MEBIBYTE, max(each.first for each in taken) * 1000
        rows.append(
            [kind, f"{outcome.rate(kind):,.0f}", f"{size:.0f}", f"{first:.0f}", *(f"{each:.2f}" for each in cpu)]
        )
    headings = ["rows/s", "MiB", "first byte, ms", "CPU s of a million: Postgres", "listener"]
    body = table([f"the results of {outcome.messages:,}, median of {ROUNDS}", *headings], rows)
    body += f"\n\nAt its peak the listener took {outcome.growth / _MEBIBYTE:.1f} MiB more than before."
    return body, [
        *(Target(f"{kind}, rows/s", outcome.rate(kind), 200_000) for kind in outcome.streams),
        Target("first byte of a stream", outcome.first * 1000, 200, " ms", most=True),
        Target("what streams add to the memory of the listener", outcome.growth / _MEBIBYTE, 40, " MiB", most=True),
    ]
