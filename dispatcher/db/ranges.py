"""The ranges of `message`: partitions by campaign, made ahead, and sealed when nothing of them changes any more.

What they are is read from the catalog (the view `message_range`), so that no record of ours can differ from it, and a
dump that is restored has them as they were.
"""

import logging

from sqlalchemy import Connection, Engine, func, select

from dispatcher.db.statements import query
from dispatcher.db.transactions import take_time

log = logging.getLogger(__name__)

AHEAD = 2
"""Ranges that are made before the first campaign of them is."""
QUIET_DAYS = 3
"""Days after the last result of a range until it is sealed: a late one settles its message for two days."""
_WAIT_MS = 500
"""A change of a range waits so long for those who use it, and they for it; then it is tried again later."""


def require(connection: Connection, campaign_id: int) -> None:
    """Make the range of a campaign, if the tick has not: a campaign never waits for another process.

    In a transaction of its own: nobody else who needs a range waits until this campaign is loaded.
    """
    if connection.execute(query("has_range"), {"campaign_id": campaign_id}).scalar_one():
        return
    with connection.engine.begin() as own:
        own.execute(select(func.make_message_ranges(campaign_id, AHEAD)))
    log.info("range_made by=loader campaign=%s", campaign_id)


def make_ahead(engine: Engine) -> int:
    """Make ranges for the campaigns to come. Returns how many."""
    with engine.begin() as connection:
        made: int = connection.execute(query("make_ranges_ahead"), {"ahead": AHEAD}).scalar_one()
    if made:
        log.info("ranges_made n=%s", made)
    return made


def ahead(connection: Connection) -> int:
    """How many ranges there are that no campaign has reached."""
    n: int = connection.execute(query("ranges_ahead")).scalar_one()
    return n


def seal_one(engine: Engine) -> str | None:
    """Seal the oldest range whose campaigns have ended and are quiet: free space is given back, an index is made.

    One transaction, so that a process that is killed leaves the range as it was. Whoever asks for messages of this
    range waits meanwhile. Returns its name, or None when there is none.
    """
    with engine.connect() as connection:
        found = connection.execute(query("range_to_seal"), {"quiet_days": QUIET_DAYS}).first()
    if found is None:
        return None
    name: str = found.name
    with engine.begin() as connection:
        take_time(connection)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_WAIT_MS}")
        connection.execute(select(func.lock_message_range(name)))
        # Looked at again under the lock.
        again = connection.execute(query("range_to_seal"), {"quiet_days": QUIET_DAYS}).first()
        if again is None or again.name != name:
            return None
        connection.execute(select(func.seal_message_range(name)))
    log.info("range_sealed range=%s", name)
    return name


def drop(engine: Engine, name: str) -> None:
    """Drop a range whose campaigns have all gone. Killed or in somebody's way, it is dropped the next time."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_WAIT_MS}")
        connection.execute(select(func.drop_message_range(name)))
    log.info("range_dropped range=%s", name)
