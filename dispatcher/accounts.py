"""The account: the provider's URL with a credential. Everything that is sent, asked or probed belongs to one."""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Row, text

from dispatcher.brakes import DOUBTS_FOR_TRIAL, ProviderClock, clock_anchor_ms
from dispatcher.config import Settings
from dispatcher.database import query
from dispatcher.errors import ProviderError, UsageError
from dispatcher.provider.deadline import now as boot_clock
from dispatcher.runtime import Runtime
from dispatcher.window import PROVIDER_ZONE

log = logging.getLogger(__name__)

_CLOCK_PAUSE = 5.0  # seconds between questions to a provider that does not answer
_LONGEST_WAIT = 600.0  # seconds, beyond one poll interval and one call, that no wait of an account ever takes


class Bound(NamedTuple):
    """The configured account as the database knows it."""

    id: int
    fingerprint: str


def find(connection: Connection, settings: Settings) -> Bound | None:
    """The account of the configured URL and credential; None when there is none, or when another key holds it."""
    if settings.fingerprint is None:
        return None
    row = connection.execute(
        text("SELECT id FROM account WHERE provider_url = :url AND fingerprint = :fingerprint"),
        {"url": settings.provider_url, "fingerprint": settings.fingerprint},
    ).first()
    return Bound(row.id, settings.fingerprint) if row else None


def bind(connection: Connection, settings: Settings) -> Bound:
    """The configured account, made on first use.

    Raises:
        UsageError: no credential is configured, or the database holds this provider under another one.
    """
    fingerprint = settings.require_credential()
    connection.execute(
        text(
            "INSERT INTO account (provider_url, fingerprint) VALUES (:url, :fingerprint) "
            "ON CONFLICT (provider_url) DO NOTHING"
        ),
        {"url": settings.provider_url, "fingerprint": fingerprint},
    )
    found = find(connection, settings)
    if found is None:
        raise UsageError(
            f"This database belongs to another API key of {settings.provider_url}: "
            "its campaigns must not go out under a key that is not theirs.",
            hint="If this is the same account with a new key, run `dispatcher account rekey`; "
            "otherwise restore the key, or use a database of its own.",
        )
    return found


def rekey(connection: Connection, settings: Settings) -> tuple[str | None, str]:
    """Hand the account at the configured URL over to the configured key.

    Returns:
        The fingerprint before (None = there was no account yet) and after.
    """
    fingerprint = settings.require_credential()
    old = connection.execute(
        text("SELECT fingerprint FROM account WHERE provider_url = :url FOR UPDATE"), {"url": settings.provider_url}
    ).scalar()
    if old is None:
        return None, bind(connection, settings).fingerprint
    connection.execute(
        text(
            "UPDATE account SET fingerprint = :new, blocked_at = NULL, blocked_words = NULL, failures = 0, "
            "retry_at = NULL WHERE provider_url = :url"
        ),
        {"new": fingerprint, "url": settings.provider_url},
    )
    return str(old), fingerprint


def block(connection: Connection, account_id: int, words: str) -> None:
    """Block the account that the provider refuses, in these words; the log tells when that begins, not each trial."""
    row = connection.execute(query("account_blocked"), {"account_id": account_id, "words": words}).one()
    if row.begun:
        log.error("account_blocked account=%s words=%r", account_id, words[:200])


def unblock(connection: Connection, account_id: int) -> bool:
    """End a block by the operator's word; whether there was one."""
    return bool(
        connection.execute(
            text(
                "UPDATE account SET blocked_at = NULL, blocked_words = NULL, failures = 0, retry_at = NULL "
                "WHERE id = :id AND blocked_at IS NOT NULL RETURNING id"
            ),
            {"id": account_id},
        ).first()
    )


@lru_cache(maxsize=1)
def host_id() -> str:
    """This machine's boot: two processes with the same one share a boot clock."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def clock_of(row: Row[tuple[object, ...]]) -> ProviderClock | None:
    """The clock measurement in an account's row."""
    if row.clock_low_ms is None:
        return None
    return ProviderClock(
        row.clock_low_ms, row.clock_high_ms, row.clock_measured_at, row.clock_host, row.clock_anchor_ms
    )


def measure_clock(runtime: Runtime, account_id: int) -> ProviderClock:
    """Ask the provider for its date, between two looks at the database's clock, and keep the difference.

    The answer has whole seconds (guide, "Consulta de la fecha del servidor"), so the offset is an interval.

    Raises:
        ProviderError: no usable answer.
    """
    with runtime.engine.connect() as connection:
        before = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    date = runtime.anonymous.server_date()
    fecha = date.fecha.replace(tzinfo=PROVIDER_ZONE)
    with runtime.engine.begin() as connection:
        after = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        clock = ProviderClock(
            low_ms=round((fecha - after) / timedelta(milliseconds=1)),
            high_ms=round((fecha + timedelta(seconds=1) - before) / timedelta(milliseconds=1)),
            measured_at=after,
            host=host_id(),
            anchor_ms=clock_anchor_ms(after, boot_clock()),
        )
        connection.execute(
            text(
                "UPDATE account SET clock_low_ms = :low, clock_high_ms = :high, clock_measured_at = :at, "
                "clock_host = :host, clock_anchor_ms = :anchor WHERE id = :id"
            ),
            {
                "low": clock.low_ms,
                "high": clock.high_ms,
                "at": clock.measured_at,
                "host": clock.host,
                "anchor": clock.anchor_ms,
                "id": account_id,
            },
        )
        longest = runtime.settings.poll_interval + runtime.settings.provider_timeout + _LONGEST_WAIT
        parameters = {"account_id": account_id, "doubts_for_trial": DOUBTS_FOR_TRIAL, "longest": longest}
        connection.execute(query("provider_answered"), parameters)
    return clock


def refresh_clock(runtime: Runtime, account_id: int) -> ProviderClock | None:
    """Measure the provider's clock; None when somebody is at it, it failed a moment ago, or it fails now."""
    lease = runtime.settings.provider_timeout + _CLOCK_PAUSE
    with runtime.engine.begin() as connection:
        mine = connection.execute(query("begin_clock"), {"account_id": account_id, "wait": lease}).first()
    if mine is None:
        return None
    clock = measure_clock_or_none(runtime, account_id)
    with runtime.engine.begin() as connection:
        connection.execute(
            text("UPDATE account SET clock_ask_at = clock_timestamp() + make_interval(secs => :pause) WHERE id = :id"),
            {"pause": None if clock else _CLOCK_PAUSE, "id": account_id},
        )
    return clock


def ready_clock(runtime: Runtime, account_id: int) -> ProviderClock | None:
    """A measurement that holds now, else what `refresh_clock` brings: many may call this, one of them asks."""
    return _trusted_clock(runtime, account_id) or refresh_clock(runtime, account_id)


def ensure_clock(runtime: Runtime, account_id: int) -> ProviderClock:
    """A measurement of the provider's clock that holds now, taken anew when there is none.

    Raises:
        ProviderError: it had to be taken, and the provider gave no usable answer.
    """
    return _trusted_clock(runtime, account_id) or measure_clock(runtime, account_id)


def _trusted_clock(runtime: Runtime, account_id: int) -> ProviderClock | None:
    with runtime.engine.begin() as connection:
        row = connection.execute(
            text("SELECT *, clock_timestamp() AS db_now FROM account WHERE id = :id"), {"id": account_id}
        ).one()
    clock = clock_of(row)
    return clock if clock and clock.trustworthy(row.db_now, host_id(), boot_clock()) else None


def ensure_clock_or_none(runtime: Runtime, account_id: int) -> ProviderClock | None:
    """As `ensure_clock`, but None when the provider gives no usable answer."""
    return _or_none(ensure_clock, runtime, account_id)


def measure_clock_or_none(runtime: Runtime, account_id: int) -> ProviderClock | None:
    """As `measure_clock`, but None when the provider gives no usable answer."""
    return _or_none(measure_clock, runtime, account_id)


def _or_none(
    measure: Callable[[Runtime, int], ProviderClock], runtime: Runtime, account_id: int
) -> ProviderClock | None:
    try:
        return measure(runtime, account_id)
    except ProviderError as error:
        log.warning("no_clock account=%s reason=%s", account_id, error.reason)
        return None
