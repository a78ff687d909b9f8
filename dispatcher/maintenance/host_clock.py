"""Whether this machine's clock and the database's agree.

Hints expire after some minutes, by the clock of whoever takes them: a worker whose clock is ahead by more drops all of
them silently.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from dispatcher.config import Settings
from dispatcher.db import engine as db_engine

log = logging.getLogger(__name__)

TOLERANCE = timedelta(minutes=5)

_said = False


def _now() -> datetime:
    return datetime.now(UTC)


def compare(connection: Connection, now: Callable[[], datetime] | None = None) -> timedelta:
    """This machine's clock less the database's. A difference of minutes is an ERROR in the log, once."""
    global _said
    now = now or _now
    before = now()
    there: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    difference = before + (now() - before) / 2 - there
    differs = abs(difference) > TOLERANCE
    if differs and not _said:
        log.error("clock_differs host_minus_database=%+.0fs", difference.total_seconds())
    _said = differs
    return difference


def compare_now(settings: Settings) -> timedelta | None:
    """The same over a connection that is not kept; None when the database does not answer."""
    engine = db_engine.connect(settings.sqlalchemy_url, pooled=settings.database_pooled)
    try:
        with engine.connect() as connection:
            return compare(connection)
    except DBAPIError as error:
        log.warning("clock_not_compared reason=%s", type(error).__name__)
        return None
    finally:
        engine.dispose()
