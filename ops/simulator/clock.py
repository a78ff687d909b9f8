"""The provider's clock and sending window. All times are GMT-3, all year."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

GMT_MINUS_3 = -3 * 3600
DAY = 86_400


class ProviderClock:
    """Provider time as unix seconds: off from ours by an offset, faster by a factor, set at will.

    It runs on the monotonic clock, so stepping the system clock does not move it.
    """

    def __init__(
        self,
        *,
        offset: float = 0.0,
        speed: float = 1.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self.speed = speed
        self._rebase(wall() + offset)

    def _rebase(self, now: float) -> None:
        self._base, self._started = now, self._monotonic()

    def now(self) -> float:
        return self._base + (self._monotonic() - self._started) * self.speed

    def change(
        self,
        *,
        offset: float | None = None,
        advance: float | None = None,
        at: str | None = None,
        speed: float | None = None,
    ) -> None:
        """Go to a provider-local time or an offset from the wall clock, jump by seconds, change the speed."""
        if at is not None:
            self._rebase(parse_iso(at))
        elif offset is not None:
            self._rebase(self._wall() + offset)
        if advance is not None:
            self._rebase(self.now() + advance)
        if speed is not None:
            self._rebase(self.now())
            self.speed = speed


def local(at: float) -> datetime:
    """Provider-local naive datetime of a unix time, whole seconds."""
    return datetime.fromtimestamp(int(at) + GMT_MINUS_3, UTC).replace(tzinfo=None)


@lru_cache(4096)
def stamp(second: int) -> str:
    """`YYYYMMDDHHNNSS`, the form of `fecha`."""
    return f"{local(second):%Y%m%d%H%M%S}"


def iso(at: float) -> str:
    """`YYYY-MM-DD HH:MM:SS`, the form of get_fecha.asp."""
    return f"{local(at):%Y-%m-%d %H:%M:%S}"


def _epoch(moment: datetime) -> int:
    return calendar.timegm(moment.timetuple()) - GMT_MINUS_3


def parse_iso(text: str) -> int:
    """Unix time of a provider-local `YYYY-MM-DD HH:MM:SS`; ValueError on anything else."""
    return _epoch(datetime.strptime(text, "%Y-%m-%d %H:%M:%S"))


def parse_stamp(text: str) -> int | None:
    """Unix time of a `YYYYMMDDHHNNSS`; None when malformed or no real date."""
    if not re.fullmatch(r"[0-9]{14}", text):
        return None
    try:
        return _epoch(datetime.strptime(text, "%Y%m%d%H%M%S"))
    except ValueError:
        return None


def day_of(second: int) -> tuple[int, int]:
    """First and last second of the provider-local day that `second` falls in."""
    first = (second + GMT_MINUS_3) // DAY * DAY - GMT_MINUS_3
    return first, first + DAY - 1


def first_of_month(at: float) -> int:
    return _epoch(local(at).replace(day=1, hour=0, minute=0, second=0))


def end_of(day: date) -> int:
    """Unix time of the midnight that ends a provider-local day."""
    return _epoch(datetime(day.year, day.month, day.day) + timedelta(days=1))


class Window:
    """Hours of the day in which messages go out, `HH:MM-HH:MM` provider-local, the end excluded."""

    def __init__(self, text: str) -> None:
        found = re.fullmatch(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", text)
        if not found:
            raise ValueError(f"window must read HH:MM-HH:MM, not {text!r}")
        h1, m1, h2, m2 = map(int, found.groups())
        self.opening, self.closing = h1 * 3600 + m1 * 60, h2 * 3600 + m2 * 60
        if self.opening > DAY or self.closing > DAY or m1 > 59 or m2 > 59:
            raise ValueError(f"window has no such hour: {text!r}")
        self.text = text

    def contains(self, at: float) -> bool:
        second = (int(at) + GMT_MINUS_3) % DAY
        if self.opening <= self.closing:
            return self.opening <= second < self.closing
        return second >= self.opening or second < self.closing

    def next_opening(self, at: float) -> float:
        """`at` itself when inside, else the next opening."""
        if self.contains(at):
            return at
        midnight = day_of(int(at))[0]
        opening = midnight + self.opening
        return float(opening if opening >= at else opening + DAY)
