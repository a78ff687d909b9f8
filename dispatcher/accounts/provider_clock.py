"""The provider's clock: measured against the database's, because every sending decision is made in provider time."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, Row, func, select, update

from dispatcher.accounts import binding
from dispatcher.accounts.blocking import DOUBTS_FOR_TRIAL
from dispatcher.db.statements import query
from dispatcher.domain.window import PROVIDER_ZONE, provider_local
from dispatcher.errors import AnswerError, ProviderError
from dispatcher.i18n.words import worded
from dispatcher.provider.deadline import now as boot_clock
from dispatcher.runtime import Runtime
from schemas import tables

log = logging.getLogger(__name__)

MAX_AGE = timedelta(minutes=15)
MAX_STEP_MS = 2_000
_PAUSE = 5.0  # seconds between questions to a provider that does not answer
_LONGEST_WAIT = 600.0  # seconds, beyond one poll interval and one call, that no wait of an account ever takes


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
        if not timedelta(0) <= db_now - self.measured_at <= MAX_AGE:
            return False
        if self.host != host or self.anchor_ms is None:
            return True
        return abs(clock_anchor_ms(db_now, boot_clock) - self.anchor_ms) <= MAX_STEP_MS


def clock_anchor_ms(db_now: datetime, boot_clock: float) -> int:
    """The database's clock less this machine's boot clock: it changes only when the former is stepped."""
    return round((db_now.timestamp() - boot_clock) * 1000)


@lru_cache(maxsize=1)
def host_id() -> str:
    """This machine's boot: two processes with the same one share a boot clock."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def of_row(row: Row[tuple[object, ...]]) -> ProviderClock | None:
    """The clock measurement in an account's row."""
    if row.clock_low_ms is None:
        return None
    return ProviderClock(
        row.clock_low_ms, row.clock_high_ms, row.clock_measured_at, row.clock_host, row.clock_anchor_ms
    )


def believable(provider: datetime, limit: float, *ours: datetime) -> bool:
    """Whether the provider's clock is within `limit` seconds of one of our clocks; 0 = whatever it shows.

    One is enough: a wrong clock of this machine or of the database must not stop a provider whose clock is right.
    """
    return not limit or any(abs(provider - clock) <= timedelta(seconds=limit) for clock in ours)


def measure(runtime: Runtime, account_id: int) -> ProviderClock:
    """Ask the provider for its date, between two looks at the database's clock, and keep the difference.

    The answer has whole seconds (guide, "Consulta de la fecha del servidor"), so the offset is an interval.

    Raises:
        ProviderError: no usable answer, or a clock too far from ours: what was measured before counts no more either.
    """
    with runtime.engine.connect() as connection:
        before = _database_clock(connection)
    date = runtime.anonymous.server_date()
    fecha = date.fecha.replace(tzinfo=PROVIDER_ZONE)
    with runtime.engine.begin() as connection:
        after = _database_clock(connection)
        clock = ProviderClock(
            low_ms=round((fecha - after) / timedelta(milliseconds=1)),
            high_ms=round((fecha + timedelta(seconds=1) - before) / timedelta(milliseconds=1)),
            measured_at=after,
            host=host_id(),
            anchor_ms=clock_anchor_ms(after, boot_clock()),
        )
        believed = believable(fecha, runtime.settings.clock_limit, after, datetime.now(UTC))
        _keep(connection, account_id, clock, believed)
        if believed:
            longest = runtime.settings.poll_interval + runtime.settings.provider_timeout + _LONGEST_WAIT
            parameters = {"account_id": account_id, "doubts_for_trial": DOUBTS_FOR_TRIAL, "longest": longest}
            connection.execute(query("provider_answered"), parameters)
    if not believed:
        raise _not_believed(account_id, fecha, after, runtime.settings.clock_limit)
    return clock


def _database_clock(connection: Connection) -> datetime:
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now


def _keep(connection: Connection, account_id: int, clock: ProviderClock, believed: bool) -> None:
    """Keep a measurement; one that is not believed leaves none."""
    account = tables.account
    connection.execute(
        update(account)
        .where(account.c.id == account_id)
        .values(
            clock_low_ms=clock.low_ms if believed else None,
            clock_high_ms=clock.high_ms if believed else None,
            clock_measured_at=clock.measured_at if believed else None,
            clock_host=clock.host,
            clock_anchor_ms=clock.anchor_ms,
        )
    )


def _not_believed(account_id: int, fecha: datetime, after: datetime, limit: float) -> AnswerError:
    """Starts, deadlines and the window follow the provider's clock, and a deadline that has passed never comes back."""
    log.error("clock_not_believed account=%s provider=%s database=%s", account_id, fecha, provider_local(after))
    return AnswerError(
        worded(
            "The provider's clock shows {fecha:%Y-%m-%d %H:%M:%S}, "
            "more than {limit:.0f} s from ours ({after:%Y-%m-%d %H:%M:%S}): nothing is sent.",
            fecha=fecha,
            limit=limit,
            after=provider_local(after),
        ),
        reason="clock",
        hint="`dispatcher doctor` compares the clocks; see DISPATCHER_CLOCK_LIMIT.",
    )


def refresh(runtime: Runtime, account_id: int) -> ProviderClock | None:
    """Measure the provider's clock; None when another worker is asking, asking failed a moment ago, or fails now."""
    lease = runtime.settings.provider_timeout + _PAUSE
    with runtime.engine.begin() as connection:
        mine = connection.execute(query("begin_clock"), {"account_id": account_id, "wait": lease}).first()
    if mine is None:
        return None
    clock = measure_or_none(runtime, account_id)
    with runtime.engine.begin() as connection:
        ask_at = None if clock else func.clock_timestamp() + timedelta(seconds=_PAUSE)
        account = tables.account
        connection.execute(update(account).where(account.c.id == account_id).values(clock_ask_at=ask_at))
    return clock


def ready(runtime: Runtime, account_id: int) -> ProviderClock | None:
    """A measurement that holds now, else what `refresh` brings: of many callers at once, one asks the provider."""
    return _trusted(runtime, account_id) or refresh(runtime, account_id)


def ensure(runtime: Runtime, account_id: int) -> ProviderClock:
    """A measurement of the provider's clock that holds now; a new one is taken when there is none.

    Raises:
        ProviderError: it had to be taken, and the provider gave no usable answer.
    """
    return _trusted(runtime, account_id) or measure(runtime, account_id)


def _trusted(runtime: Runtime, account_id: int) -> ProviderClock | None:
    with runtime.engine.connect() as connection:
        row = binding.row(connection, account_id)
    clock = of_row(row)
    return clock if clock and clock.trustworthy(row.db_now, host_id(), boot_clock()) else None


def ensure_or_none(runtime: Runtime, account_id: int) -> ProviderClock | None:
    """As `ensure`, but None when the provider gives no usable answer."""
    return _or_none(ensure, runtime, account_id)


def measure_or_none(runtime: Runtime, account_id: int) -> ProviderClock | None:
    """As `measure`, but None when the provider gives no usable answer."""
    return _or_none(measure, runtime, account_id)


def _or_none(
    measure: Callable[[Runtime, int], ProviderClock], runtime: Runtime, account_id: int
) -> ProviderClock | None:
    try:
        return measure(runtime, account_id)
    except ProviderError as error:
        log.warning("no_clock account=%s reason=%s", account_id, error.reason)
        return None


def now_at_provider(connection: Connection, account_id: int) -> datetime:
    """The provider's clock, as well as it is known; the database's while it was never measured."""
    row = binding.row(connection, account_id)
    clock = of_row(row)
    now: datetime = row.db_now
    return now + timedelta(milliseconds=(clock.low_ms + clock.high_ms) / 2) if clock else now
