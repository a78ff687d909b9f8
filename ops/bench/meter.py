"""CPU and memory of process trees, a kind at a time, while something runs."""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil

Roots = dict[str, int]
"""Kind of process -> pid of the one that all others of its kind descend from."""

_EVERY = 0.2
GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


@dataclass
class Usage:
    """What the processes of each kind took.

    Attributes:
        seconds: wall time.
        cpu: CPU seconds by kind, those of exited children included.
        rss: the largest resident set of one process by kind, bytes; shared pages count in each process.
        private: the same without shared pages (USS), sampled once a second.
    """

    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    rss: dict[str, int] = field(default_factory=dict)
    private: dict[str, int] = field(default_factory=dict)

    @property
    def cpu_total(self) -> float:
        """CPU seconds of every kind."""
        return sum(self.cpu.values())


class Meter:
    """Measures from entry to exit; a root that appears or ends meanwhile counts from its start or to its end.

    >>> with Meter({"simulator": pid}) as meter:
    ...     work()
    ... meter.usage.cpu
    """

    def __init__(self, roots: Roots) -> None:
        """Name the trees; `roots` may grow while it measures."""
        self.usage = Usage()
        self._roots = roots
        self._before: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="meter", daemon=True)

    def __enter__(self) -> Self:
        self._before = {kind: cpu_of(pid) for kind, pid in self._roots.items()}
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.usage.seconds = time.monotonic() - self._began
        self._stop.set()
        self._thread.join()
        self._look(private=True)

    def _sample(self) -> None:
        turn = 0
        while not self._stop.wait(_EVERY):
            self._look(private=turn % 5 == 0)
            turn += 1

    def _look(self, *, private: bool) -> None:
        for kind, pid in list(self._roots.items()):
            spent = cpu_of(pid) - self._before.get(kind, 0.0)
            self.usage.cpu[kind] = max(spent, self.usage.cpu.get(kind, 0.0))
            for process in tree(pid):
                try:
                    _raise(self.usage.rss, kind, process.memory_info().rss)
                    if private:
                        _raise(self.usage.private, kind, process.memory_full_info().uss)
                except GONE:
                    continue


def tree(pid: int) -> list[psutil.Process]:
    """A process and its descendants, as far as they live."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except GONE:
        return []


def cpu_of(pid: int) -> float:
    """CPU seconds of a tree so far: a parent's own figures hold those of the children that it has waited for."""
    total = 0.0
    for process in tree(pid):
        try:
            times = process.cpu_times()
        except GONE:
            continue
        total += times.user + times.system
        # macOS has no figures of children; there a finished child's time is what the last sample saw.
        total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def _raise(peaks: dict[str, int], kind: str, value: int) -> None:
    peaks[kind] = max(value, peaks.get(kind, 0))
