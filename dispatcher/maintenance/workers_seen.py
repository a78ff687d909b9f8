"""Whether a worker has been at work lately, by the last tick that one ran."""

from datetime import timedelta

from sqlalchemy import Connection, func, select

from schemas import tables

_SEEN_WITHIN = timedelta(minutes=1)


def complaint(connection: Connection) -> str | None:
    """One sentence when no worker has run a tick for more than a minute; None while all is well."""
    age = connection.execute(
        select(func.clock_timestamp() - tables.heartbeat.c.at).where(tables.heartbeat.c.name == "tick")
    ).scalar()
    if age is not None and age <= _SEEN_WITHIN:
        return None
    seen = "yet" if age is None else f"for {_in_words(age)}"
    return f"No worker has been seen {seen}: nothing will be sent until `dispatcher up` runs."


def _in_words(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    for unit, size in (("day", 24 * 60), ("hour", 60)):
        if minutes >= 2 * size:
            return f"{minutes // size} {unit}s"
    return f"{minutes} minute{'s' * (minutes != 1)}"
