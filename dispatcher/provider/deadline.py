"""Time for calls: a clock that goes on while the machine sleeps, and a total budget for one call."""

from __future__ import annotations

import time
from collections.abc import Callable

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def now() -> float:
    """Seconds of CLOCK_BOOTTIME where the system has it, of the monotonic clock elsewhere.

    CLOCK_BOOTTIME counts suspended time too: a lease must not look fresh after a laptop has slept through it.
    Only differences mean anything.
    """
    return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)


class Deadline:
    """A total number of seconds that a call may take, whatever it spends them on."""

    __slots__ = ("_clock", "_ends")

    def __init__(self, seconds: float, clock: Callable[[], float] = now) -> None:
        """Start counting at once."""
        self._clock = clock
        self._ends = clock() + seconds

    def remaining(self) -> float:
        """Seconds left; zero or less when none are."""
        return self._ends - self._clock()

    def require(self) -> float:
        """Seconds left, always above zero; `TimeoutError` when there are none."""
        left = self.remaining()
        if left <= 0:
            raise TimeoutError("the call's total time is used up")
        return left

    def extend(self, seconds: float) -> None:
        """Give back time that the call did not spend itself, such as a consumer's own work between slices."""
        self._ends += seconds
