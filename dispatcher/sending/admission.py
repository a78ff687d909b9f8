"""Whether an account may claim a chunk now: a pure decision over values read under the account's lock."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dispatcher.accounts.blocking import DOUBTS_FOR_TRIAL
from dispatcher.accounts.provider_clock import ProviderClock
from dispatcher.config import Settings
from dispatcher.domain.backoff import backoff
from dispatcher.domain.window import Window, since_midnight

PRIORITIES = ("high", "normal", "low")
# Weights 6:3:1, spread so that no class waits longer than it must.
_WHEEL = ("high", "normal", "high", "high", "normal", "high", "low", "high", "normal", "high")

PUMP_WAITS = timedelta(seconds=1.3)
"""How long a pump waits for the rate: a little more than a tick, so that the next tick's pump is there in time."""


@dataclass(frozen=True, slots=True)
class Conditions:
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
    stale: str | None  # why the database counts as older than what was posted
    rate_free_at: datetime | None


def of_row(row: Any, clock: ProviderClock, settings: Settings) -> Conditions:
    """The conditions from a row of `read_conditions`."""
    return Conditions(
        db_now=row.db_now,
        clock=clock,
        window=settings.sending_window,
        in_flight=row.in_flight,
        concurrency=settings.concurrency,
        doubts=row.doubts,
        failures=row.failures,
        retry_at=row.retry_at,
        blocked=row.blocked_at is not None,
        stale=row.stale_words,
        rate_free_at=row.rate_free_at if settings.rate else None,
    )


@dataclass(frozen=True, slots=True)
class Admit:
    """A chunk may be claimed; `trial` means that it is the only one of this backoff step.

    `closed` are the names of the days that the POST may fall on: campaigns that name one among their days off wait.
    """

    earliest: datetime
    latest: datetime
    closed: list[str]
    trial: bool
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class Defer:
    """Nothing may be claimed before `until` (database's clock; None = until something else happens)."""

    why: str
    until: datetime | None = None
    rate_wait: timedelta | None = field(default=None, compare=False)  # how long until then, when the rate alone waits

    @property
    def brief(self) -> bool:
        """Whether a pump may wait for this itself, before its claim: a tick would find it up to a second too late."""
        return self.rate_wait is not None and self.rate_wait <= PUMP_WAITS


def decide(conditions: Conditions) -> Admit | Defer:
    """Check the database's age, slot, backoff, rate and window, in that order; nothing waits after an Admit."""
    now = conditions.db_now
    if conditions.stale:
        return Defer(conditions.stale)
    if conditions.in_flight >= conditions.concurrency:
        return Defer("every slot is taken")
    if conditions.retry_at and now < conditions.retry_at:
        return Defer("blocked" if conditions.blocked else "backing off", conditions.retry_at)
    if conditions.rate_free_at and now < conditions.rate_free_at:
        return Defer("rate", conditions.rate_free_at, conditions.rate_free_at - now)
    earliest, latest = conditions.clock.bounds(now)
    if not conditions.window.allows(earliest, latest):
        # At the edges the clock's uncertainty decides against sending.
        opening = conditions.window.next_opening(latest)
        if opening <= latest:
            opening = earliest + timedelta(seconds=1)
        return Defer("the window is closed", now + (opening - earliest))
    trial = conditions.blocked or conditions.doubts >= DOUBTS_FOR_TRIAL
    if trial and conditions.in_flight:
        return Defer("a trial is under way")
    least = 5.0 if conditions.blocked else 0.0
    step = timedelta(seconds=max(least, backoff(conditions.failures - 1)))
    closed = conditions.window.names_of_days(earliest, latest)
    return Admit(earliest, latest, closed, trial, now + step if trial else None)


@dataclass(frozen=True, slots=True)
class Today:
    """What the statements for claimable chunks ask for: the provider's clock, the names of its day, when that began."""

    earliest: datetime
    latest: datetime
    closed: list[str]
    began: datetime  # by the database's clock


def today(settings: Settings, now: datetime, clock: ProviderClock) -> Today:
    """The provider's day at the moment `now` of the database's clock."""
    earliest, latest = clock.bounds(now)
    closed = settings.sending_window.names_of_days(earliest, latest)
    return Today(earliest, latest, closed, now - since_midnight(earliest))


def wheel(turn: int) -> list[str]:
    """The order in which the priorities are asked for due chunks at this turn."""
    first = _WHEEL[turn % len(_WHEEL)]
    return [first, *(priority for priority in PRIORITIES if priority != first)]


def rate_free_at(now: datetime, free_at: datetime | None, messages: int, rate: int) -> datetime | None:
    """When the next chunk may go, after one of `messages` at `rate` a minute: m minutes carry RATE·m + one chunk.

    Time that was lost is not made up for: the one chunk is all that the promise leaves, and a chunk takes all of it.
    """
    if not rate:
        return None
    return max(now, free_at or now) + timedelta(minutes=messages / rate)


def waits_ended(known: Conditions) -> list[datetime]:
    """When each reason to wait ended (database's clock): the backoff, the rate limit, the closed window."""
    ended = [moment for moment in (known.retry_at, known.rate_free_at) if moment]
    earliest, _ = known.clock.bounds(known.db_now)
    opened = None if known.window.always else known.window.opened_at(earliest)
    if opened is not None:
        ended.append(known.db_now - (earliest - opened))
    return ended
