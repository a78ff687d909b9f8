"""What the whole of `dispatcher up` takes in memory: at rest, and at most while a large campaign runs.

The figure is PSS: a page that several processes share is divided among them. So the sum over all processes is what the
machine must have.
"""

import re
import sys
import time
from collections import Counter
from dataclasses import dataclass

import psutil

from ops.bench.campaign import COMPLETED, COMPLETES_WITHIN, create
from ops.bench.lists import write_list
from ops.bench.meter import GONE, tree
from ops.bench.stack import Stack, stack

REST = 30.0
"""Seconds without work before the look at rest."""
_EVERY = 0.5
_MEASURED = ("up", "loader", "postgres", "valkey")
_NAME = re.compile(r"\b(tick|submit|poll|control|urgent|webhooks)@|(?<= )(beat|flower|push|web)\b")
_BEATS = "SELECT count(*) FROM heartbeat WHERE name = 'tick' AND at > clock_timestamp() - interval '3 seconds'"


@dataclass(frozen=True)
class Look:
    """PSS in bytes by process, at one moment; a worker with the processes of its pool is one."""

    pss: Counter[str]

    @property
    def total(self) -> int:
        """The sum."""
        return self.pss.total()


@dataclass(frozen=True)
class Outcome:
    """What `up` and its servers took.

    Attributes:
        rest: after `REST` seconds without work.
        peak: the largest sum while the campaign was loaded and ran, the command that loads it included.
    """

    messages: int
    rest: Look
    peak: Look


def measure(messages: int) -> Outcome:
    """Start `dispatcher up`, leave it alone, then hand a campaign to it."""
    with stack("memory") as running:
        path = write_list(running.home / "clientes.csv", messages)
        # The benchmark's own connections are no part of it.
        running.runtime.close()
        with running.processes(up=[sys.executable, "-m", "dispatcher", "up"]):
            running.wait(lambda: running.scalar(_BEATS), 90, "no sign of life of `dispatcher up`")
            time.sleep(REST)
            rest = peak = look(running)
            with running.processes(loader=create(path)):
                ends = time.monotonic() + COMPLETES_WITHIN
                while not running.scalar(COMPLETED):
                    if time.monotonic() > ends:
                        raise RuntimeError(f"the campaign is not completed within {COMPLETES_WITHIN:.0f} s")
                    peak = max(peak, look(running), key=lambda each: each.total)
                    time.sleep(_EVERY)
    return Outcome(messages, rest, peak)


def look(running: Stack) -> Look:
    """What everything takes now; the simulated provider is no part of it."""
    found: Counter[str] = Counter()
    for kind in _MEASURED:
        for process, name in _named(kind, running.roots[kind]) if kind in running.roots else ():
            try:
                found[name] += process.memory_full_info().pss
            except GONE:
                continue
    return Look(found)


def _named(kind: str, pid: int) -> list[tuple[psutil.Process, str]]:
    """The processes of a kind with the names to count them under."""
    return [(process, _name(process) or kind) if kind == "up" else (process, kind) for process in tree(pid)]


def _name(process: psutil.Process) -> str | None:
    try:
        found = _NAME.search(" ".join(process.cmdline()))
    except GONE:
        return None
    return found.group(1) or found.group(2) if found else None
