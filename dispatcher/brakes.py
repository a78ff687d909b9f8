"""Whether an account may claim a chunk now: a pure decision over values read under the account's lock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dispatcher.config import Settings
from dispatcher.window import Window

PRIORITIES = ("high", "normal", "low")
# Weights 6:3:1, spread so that no class waits longer than it must.
_WHEEL = ("high", "normal", "high", "high", "normal", "high", "low", "high", "normal", "high")

DOUBTS_FOR_TRIAL = 3
CLOCK_MAX_AGE = timedelta(minutes=15)
CLOCK_MAX_STEP_MS = 2_000


@dataclass(frozen=True, slots=True)
class ProviderClock:
    """The provider's clock less the database's lies in [low_ms, high_ms]."""

    low_ms: int
    high_ms: int
    measured_at: datetime
    host: str | None = None
    anchor_ms: int | None = None

    def bounds(self, db_now: datetime) -> tuple[datetime, datetime]:
        """The earliest and the latest that the provider's clock may show now."""
        return db_now + timedelta(milliseconds=self.low_ms), db_now + timedelta(milliseconds=self.high_ms)

    def trustworthy(self, db_now: datetime, host: str, boot_clock: float) -> bool:
        """Whether the measurement still holds: not old, and no clock stepped since it was taken."""
        if not timedelta(0) <= db_now - self.measured_at <= CLOCK_MAX_AGE:
            return False
        if self.host != host or self.anchor_ms is None:
            return True
        return abs(clock_anchor_ms(db_now, boot_clock) - self.anchor_ms) <= CLOCK_MAX_STEP_MS


def clock_anchor_ms(db_now: datetime, boot_clock: float) -> int:
    """The database's clock less this machine's boot clock: it changes only when the former is stepped."""
    return round((db_now.timestamp() - boot_clock) * 1000)


@dataclass(frozen=True, slots=True)
class Brakes:
    """What is known of an account at the moment of a claim."""

    db_now: datetime
    clock: ProviderClock
    window: Window
    in_flight: int
    concurrency: int
    doubts: int
    failures: int
    retry_at: datetime | None
    blocked: bool
    rate_free_at: datetime | None


def of_row(row: Any, clock: ProviderClock, settings: Settings) -> Brakes:
    """The brakes from a row of `read_brakes`."""
    return Brakes(
        db_now=row.db_now,
        clock=clock,
        window=settings.sending_window,
        in_flight=row.in_flight,
        concurrency=settings.concurrency,
        doubts=row.doubts,
        failures=row.failures,
        retry_at=row.retry_at,
        blocked=row.blocked_at is not None,
        rate_free_at=row.rate_free_at if settings.rate else None,
    )


@dataclass(frozen=True, slots=True)
class Go:
    """A chunk may be claimed; `trial` means that it is the only one of this backoff step."""

    earliest: datetime
    latest: datetime
    trial: bool
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may be claimed before `until` (database's clock; None = until something else happens)."""

    why: str
    until: datetime | None = None


def backoff(failures: int) -> timedelta:
    """The step after this many failures in a row: 1 s, 2 s, 4 s … 5 min."""
    return timedelta(seconds=min(300, 2 ** max(0, min(failures, 10) - 1)))


def decide(brakes: Brakes) -> Go | Wait:
    """Check slot, backoff, rate and window, in that order; nothing waits after a Go."""
    now = brakes.db_now
    if brakes.in_flight >= brakes.concurrency:
        return Wait("every slot is taken")
    if brakes.retry_at and now < brakes.retry_at:
        return Wait("blocked" if brakes.blocked else "backing off", brakes.retry_at)
    if brakes.rate_free_at and now < brakes.rate_free_at:
        return Wait("rate", brakes.rate_free_at)
    earliest, latest = brakes.clock.bounds(now)
    if not brakes.window.allows(earliest, latest):
        # At the edges the clock's uncertainty decides against sending.
        opening = brakes.window.next_opening(latest)
        if opening <= latest:
            opening = earliest + timedelta(seconds=1)
        return Wait("the window is closed", now + (opening - earliest))
    trial = brakes.blocked or brakes.doubts >= DOUBTS_FOR_TRIAL
    if trial and brakes.in_flight:
        return Wait("a trial is under way")
    step = timedelta(seconds=5) if brakes.blocked else timedelta(0)
    return Go(earliest, latest, trial, now + max(step, backoff(brakes.failures)) if trial else None)


def wheel(turn: int) -> list[str]:
    """The order in which the priorities are asked for due chunks at this turn."""
    first = _WHEEL[turn % len(_WHEEL)]
    return [first, *(priority for priority in PRIORITIES if priority != first)]


def rate_free_at(now: datetime, free_at: datetime | None, messages: int, rate: int) -> datetime | None:
    """When the next chunk may go, after one of `messages` at `rate` a minute: m minutes carry RATE·m + one chunk."""
    if not rate:
        return None
    return max(now, free_at or now) + timedelta(minutes=messages / rate)
