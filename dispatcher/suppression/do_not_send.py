"""The do-not-send list: numbers that the provider cannot reach.

A number that the provider calls a fixed line (-1) or one that fails too often (-2) gets nothing for `DAYS` days. That
is not an opt-out, and it ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    SelectBase,
    SmallInteger,
    Text,
    bindparam,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, distinct_on, insert

from schemas import tables

UNDELIVERABLE_CODES = frozenset({-1, -2})
DAYS = 90

_undeliverable = tables.undeliverable
_LISTED_NOW = _undeliverable.c.expires_at > func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """One number of the list."""

    number: str
    code: int
    since: datetime
    until: datetime

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {
            "number": self.number,
            "code": self.code,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
        }


def adding(evidence: SelectBase) -> Insert:
    """The statement that puts numbers on the list. The same evidence read again changes nothing.

    `evidence` selects destino, code and at: of several for one number the latest counts.
    """
    given = evidence.subquery("given")
    latest = (
        select(given.c.destino, given.c.code, given.c.at, given.c.at + timedelta(days=DAYS))
        .ext(distinct_on(given.c.destino))
        # Ascending, so that two transactions cannot wait for each other.
        .order_by(given.c.destino, given.c.at.desc())
    )
    new = insert(_undeliverable).from_select(["destino", "code", "since", "expires_at"], latest)
    return new.on_conflict_do_update(
        index_elements=["destino"],
        set_={field: new.excluded[field] for field in ("code", "since", "expires_at")},
        where=new.excluded.since > _undeliverable.c.since,
    )


_ADD_ONE = adding(
    select(
        bindparam("number", type_=Text).label("destino"),
        bindparam("result", type_=SmallInteger).label("code"),
        bindparam("moment", type_=tables.Moment).label("at"),
    )
)


def add(connection: Connection, number: str, code: int, at: datetime) -> None:
    """Put a number (national digits) on the list for a result of the moment `at`."""
    connection.execute(_ADD_ONE, {"number": number, "result": code, "moment": at})


def remove(connection: Connection, number: str) -> bool:
    """Take a number off the list; the results that put it there do not put it there again.

    Returns:
        Whether it was on the list.
    """
    ended = (
        update(_undeliverable)
        .where(_undeliverable.c.destino == number, _LISTED_NOW)
        .values(expires_at=func.greatest(_undeliverable.c.since, func.clock_timestamp()))
    )
    return connection.execute(ended).rowcount > 0


def find(connection: Connection, number: str) -> Undeliverable | None:
    """The entry of a number, if it is on the list now."""
    row = connection.execute(select(_undeliverable).where(_undeliverable.c.destino == number, _LISTED_NOW)).first()
    return _of(row) if row else None


def listing(connection: Connection, limit: int, after: tuple[datetime, str] | None = None) -> list[Undeliverable]:
    """The list, the newest first; `after` are time and number of the last one that is known."""
    place = (_undeliverable.c.since, _undeliverable.c.destino)
    newest = select(_undeliverable).where(_LISTED_NOW).order_by(*(each.desc() for each in place)).limit(limit)
    if after is not None:
        newest = newest.where(tuple_(*place) < tuple_(*map(literal, after)))
    return [_of(row) for row in connection.execute(newest)]


def numbers() -> Select[str]:
    """The statement that reads every number on the list now."""
    return select(_undeliverable.c.destino).where(_LISTED_NOW)


def _of(row: Any) -> Undeliverable:
    return Undeliverable(row.destino, row.code, row.since, row.expires_at)
