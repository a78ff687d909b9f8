"""The doctor's alarm on webhooks: endpoints that are not called any more, that fail, or that nobody calls."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from dispatcher.db.statements import query
from dispatcher.errors import DispatcherError
from dispatcher.i18n.words import counted, worded

FAILED_FOR = timedelta(hours=1)
"""How long an endpoint may fail without an alarm: receivers are deployed and restarted."""
WAITED_FOR = timedelta(minutes=5)
"""How long a delivery may be due without being taken: a worker takes it within a second or two."""


def webhooks(engine: Engine) -> str:
    """How many endpoints there are.

    Raises:
        DispatcherError: one was disabled because it failed, one fails, or no worker calls one.
    """
    with engine.connect() as connection:
        rows = connection.execute(query("state_of_webhooks"), {"waited": WAITED_FOR.total_seconds()}).all()
    complaints = [words for row in rows if (words := _complaint(row))]
    if complaints:
        raise DispatcherError(
            "; ".join(complaints),
            hint="`dispatcher webhook deliveries ID` shows why, `dispatcher webhook enable ID` calls it again.",
        )
    return counted(len(rows), "{n:,} webhook", "{n:,} webhooks")


def _complaint(row: Any) -> str | None:
    if row.disabled_why == "gone":
        return worded("{public_id} answered 410 and is called no more", public_id=row.public_id)
    if row.disabled_why == "failures":
        return worded("{public_id} failed for days and is called no more", public_id=row.public_id)
    if row.disabled_why is None and row.failing_since is not None and row.now - row.failing_since > FAILED_FOR:
        hours = (row.now - row.failing_since).total_seconds() / 3600
        return worded("{public_id} has failed for {hours:.0f} h", public_id=row.public_id, hours=hours)
    if row.waits:
        return worded("no worker calls {public_id}: is there one for the queue webhooks?", public_id=row.public_id)
    return None
