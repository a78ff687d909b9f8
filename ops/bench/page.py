"""The page over a large database: its first page, messages at any depth, and many live pages that are left open."""

import contextlib
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

import requests

from dispatcher.access import users
from dispatcher.campaigns import summary
from ops.bench.campaign import COMPLETED, COMPLETES_WITHIN
from ops.bench.lists import write_list
from ops.bench.meter import Meter
from ops.bench.stack import Stack, stack

CAMPAIGNS = 10
LIVE = 20
_ROUNDS = 20
_LIVE_SECONDS = 30.0
_LONGEST = 30
_STATISTICS = 12.0
"""Seconds until a connection without work has told how many rows it read."""
_READ = (
    "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_all_tables "
    "WHERE relname ~ '^message'"
)


@dataclass(frozen=True)
class Outcome:
    """Seconds of answers by page, over a connection that is kept; and what pages that are left open cost."""

    messages: int
    pages: dict[str, list[float]] = field(default_factory=dict)
    live: dict[str, float] = field(default_factory=dict)  # cores by kind while LIVE live pages are open
    idle: dict[str, float] = field(default_factory=dict)  # cores by kind before that
    looks: int = 0
    rows_read: int = 0  # of messages, by all looks

    def seconds(self, *names: str) -> float:
        """The slowest of these pages, by its median."""
        return max(median(self.pages[name]) for name in names)

    @property
    def depths(self) -> list[str]:
        """The pages of messages."""
        return [name for name in self.pages if name != FIRST]


FIRST = "the first page"


def measure(messages: int) -> Outcome:
    """Load so many messages in CAMPAIGNS campaigns, of which the first one has its results, and look at the pages."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    each = messages // CAMPAIGNS
    with stack("page", DISPATCHER_WEB_PORT=port) as running:
        path = write_list(running.home / "clientes.csv", each)
        done = running.load(path).campaign_id or 0
        with running.workers():
            running.wait(lambda: running.scalar(COMPLETED), COMPLETES_WITHIN, "the campaign is not completed")
        for _ in range(CAMPAIGNS - 1):
            waiting = running.load(path).campaign_id or 0
        running.observer.execute("VACUUM ANALYZE")
        with running.processes(web=[sys.executable, "-m", "dispatcher", "web"]), _signed_in(running) as visitor:
            outcome = Outcome(each * CAMPAIGNS)
            for name, address in _pages(running, done, waiting, each).items():
                outcome.pages[name] = [_took(visitor, address) for _ in range(_ROUNDS + 1)][1:]
            return _left_open(running, visitor, f"{visitor.base}/campaigns/{waiting}", outcome)


class _Visitor(requests.Session):
    base = ""


@contextlib.contextmanager
def _signed_in(running: Stack) -> Iterator[_Visitor]:
    with _Visitor() as visitor:
        visitor.trust_env = False
        visitor.base = f"http://127.0.0.1:{running.settings.web_port}"
        running.wait(lambda: _answers(visitor), _LONGEST, "the page does not answer")
        admin = users.first_admin(running.runtime.engine)
        visitor.post(f"{visitor.base}/sign-in/{users.make_link(running.runtime.engine, admin)}", timeout=_LONGEST)
        yield visitor


def _answers(visitor: _Visitor) -> bool:
    try:
        return visitor.get(f"{visitor.base}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False


def _pages(running: Stack, done: int, waiting: int, each: int) -> dict[str, str]:
    with running.runtime.engine.connect() as connection:
        rarest = min(summary.show(connection, done).result_codes.items(), key=lambda pair: pair[1])[0]
    return {
        FIRST: "/",
        "messages, the first ones": f"/campaigns/{waiting}/messages",
        "messages, in the middle": f"/campaigns/{waiting}/messages?after={each // 2}",
        "messages, the last ones": f"/campaigns/{waiting}/messages?after={each - 60}",
        "delivered ones, near the end": f"/campaigns/{done}/messages?status=ok&after={each - 1000}",
        "those with the rarest code": f"/campaigns/{done}/messages?code={rarest}",
    }


def _took(visitor: _Visitor, address: str) -> float:
    began = time.monotonic()
    answer = visitor.get(visitor.base + address, headers={"Accept": "text/html"}, timeout=_LONGEST)
    took = time.monotonic() - began
    if answer.status_code != 200 or "/sign-in" in answer.url:
        raise RuntimeError(f"{address} answered {answer.status_code}")
    return took


def _left_open(running: Stack, visitor: _Visitor, campaign: str, outcome: Outcome) -> Outcome:
    """Each look comes as long after the one before as the server said."""
    ends, looks, lock = time.monotonic() + _LIVE_SECONDS, [0], threading.Lock()

    def look(number: int) -> None:
        with requests.Session() as own:
            own.trust_env = False
            own.cookies.update(visitor.cookies)
            time.sleep(number / LIVE)
            while time.monotonic() < ends:
                seen = own.get(f"{campaign}/live", headers={"HX-Request": "true"}, timeout=_LONGEST)
                with lock:
                    looks[0] += 1
                said = re.search(r'data-live="(\d+)"', seen.text)
                time.sleep(int(said[1]) if said else _LIVE_SECONDS)

    roots = {kind: running.roots[kind] for kind in ("web", "postgres")}
    threads = [threading.Thread(target=look, args=(number,)) for number in range(LIVE)]
    with Meter(roots) as rest:
        time.sleep(_STATISTICS)
    before = running.scalar(_READ)
    with Meter(roots) as meter:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    time.sleep(_STATISTICS)
    rows = running.scalar(_READ) - before
    live = {kind: meter.usage.cpu[kind] / meter.usage.seconds for kind in roots}
    idle = {kind: rest.usage.cpu[kind] / rest.usage.seconds for kind in roots}
    return Outcome(outcome.messages, outcome.pages, live, idle, looks[0], rows)
