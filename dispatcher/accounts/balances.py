"""The readings of saldo and envíos that were kept: the last one, and their course."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Date, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from schemas import tables

_balance = tables.balance


@dataclass(frozen=True, slots=True)
class Reading:
    """What the provider said at a moment; None where the plan has no such figure."""

    at: datetime
    saldo: int | None
    envios: int | None


def last(connection: Connection, account_id: int) -> Reading | None:
    """The newest reading."""
    newest = select(_balance.c.at, _balance.c.saldo, _balance.c.envios).where(_balance.c.account_id == account_id)
    row = connection.execute(newest.order_by(_balance.c.at.desc()).limit(1)).first()
    return Reading(*row) if row else None


def by_day(connection: Connection, account_id: int, days: int) -> list[Reading]:
    """The last reading of each of the last days that have one, the oldest first."""
    day = func.cast(func.timezone(func.make_interval(0, 0, 0, 0, -3), _balance.c.at), Date)
    found = (
        select(_balance.c.at, _balance.c.saldo, _balance.c.envios)
        .where(_balance.c.account_id == account_id, _balance.c.at > func.now() - func.make_interval(0, 0, 0, days))
        .ext(distinct_on(day))
        .order_by(day, _balance.c.at.desc())
    )
    return [Reading(*row) for row in connection.execute(found)]
