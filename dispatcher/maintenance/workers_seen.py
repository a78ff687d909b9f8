"""Whether a worker has been at work lately, by the last tick that one ran."""

from datetime import timedelta

from sqlalchemy import Connection, func, select

from dispatcher.i18n.words import counted, translated, worded
from schemas import tables

_SEEN_WITHIN = timedelta(minutes=1)


def complaint(connection: Connection) -> str | None:
    """One sentence when no worker has run a tick for more than a minute; None while all is well."""
    age = connection.execute(
        select(func.clock_timestamp() - tables.heartbeat.c.at).where(tables.heartbeat.c.name == "tick")
    ).scalar()
    if age is not None and age <= _SEEN_WITHIN:
        return None
    if age is None:
        return translated("No worker has been seen yet: nothing will be sent until `dispatcher up` runs.")
    return worded(
        "No worker has been seen for {age}: nothing will be sent until `dispatcher up` runs.", age=_in_words(age)
    )


def _in_words(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    for one, many, size in (("{n:,} day", "{n:,} days", 24 * 60), ("{n:,} hour", "{n:,} hours", 60)):
        if minutes >= 2 * size:
            return counted(minutes // size, one, many)
    return counted(minutes, "{n:,} minute", "{n:,} minutes")
