"""The opt-out list: who wants no messages, why, and since when.

A person opts out by a reply that is BAJA and nothing else, by a result -3 or -14, by an import, or when an operator
says so (Ley 25.326 art. 27, Ley 26.951). Every change is recorded as an event that is never deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from sqlalchemy import Connection, Select, SelectBase, Text, bindparam, exists, func, literal, null, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert

from dispatcher.db.statements import query
from dispatcher.domain.phone import PhoneProblem, normalise
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from dispatcher.provider.codes import fold
from dispatcher.webhooks import outbox
from dispatcher.webhooks.event_types import EventType
from schemas import tables

Source = Literal["reply", "result", "import", "operator"]

ERASURE = "erasure"
"""The reason of the entry that an erasure makes until nothing of the person is on its way any more."""
OPT_OUT_CODES = frozenset({-3, -14})


@dataclass(frozen=True, slots=True)
class OptOut:
    """One number of the list."""

    number: str
    source: str
    reason: str | None
    since: datetime

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {"number": self.number, "source": self.source, "reason": self.reason, "since": self.since.isoformat()}


class Words:
    """The words that mean "no more": case, accents, blanks and punctuation make no difference."""

    def __init__(self, setting: str, review: str | None = None) -> None:
        """Take DISPATCHER_OPTOUT_WORDS: entries separated by commas; an entry may have several words.

        `review` is DISPATCHER_REVIEW_WORDS: they never opt out by themselves, a person decides.
        """
        opting_out = [fold(word) for word in setting.split(",")]
        self._bare = {word.replace(" ", "") for word in opting_out}
        self._worth_a_look = opting_out + [fold(word) for word in (review or "").split(",") if word]

    def meant_by(self, texto: str) -> Literal["optout", "review", "reply"]:
        """`optout` for a reply that is such a word and nothing else, `review` for one that a person should read."""
        said = fold(texto)
        if said.replace(" ", "") in self._bare:
            return "optout"
        spaced = f" {said} "
        return "review" if any(f" {word} " in spaced for word in self._worth_a_look) else "reply"


def national(number: str, country: str) -> str:
    """A number in the form that messages have it.

    Raises:
        UsageError: it is not a number of that country; the sentence has the guide's code.
    """
    found = normalise(number, country)
    if isinstance(found, PhoneProblem):
        raise UsageError(
            worded("Code {code}: {detail}.", code=found.code, detail=found.detail),
            hint=worded("Give a national number, such as 1144445555."),
        )
    return found


def adding(evidence: SelectBase) -> Select[*tuple[Any, ...]]:
    """The statement that opts numbers out, each with an event; it answers with the rows that it added.

    `evidence` selects destino, source, reason and at. A number stays as it is when it is on the list, or when the
    person opted in again at or after `at` (null = now, which no earlier opt-in outweighs).
    """
    given = evidence.subquery("given")
    event = tables.optout_event
    opted_in_again = exists().where(
        event.c.destino == given.c.destino, event.c.action == "remove", event.c.at >= given.c.at
    )
    fields = ["destino", "source", "reason", "since"]
    wanted = (
        select(given.c.destino, given.c.source, given.c.reason, func.coalesce(given.c.at, func.statement_timestamp()))
        .ext(distinct_on(given.c.destino))
        .where(~opted_in_again)
        # Ascending, so that two transactions cannot wait for each other.
        .order_by(given.c.destino, given.c.at)
    )
    out, new = tables.optout.c, insert(tables.optout).from_select(fields, wanted)
    # The entry that an erasure made for as long as it waits says nothing of the person: a true one takes its place.
    new = new.on_conflict_do_update(
        index_elements=["destino"],
        set_={field: new.excluded[field] for field in fields[1:]},
        where=(out.source == "operator") & (out.reason == ERASURE) & new.excluded.reason.is_distinct_from(ERASURE),
    )
    added = new.returning(*(tables.optout.c[field] for field in fields)).cte("added")
    entries = select(added.c.destino, literal("add"), added.c.source, added.c.reason)
    recorded = insert(event).from_select(["destino", "action", "source", "reason"], entries).cte("recorded")
    return select(added).add_cte(recorded).order_by(added.c.destino)


_ADD_ONE = adding(
    select(
        bindparam("number", type_=Text).label("destino"),
        bindparam("by", type_=Text).label("source"),
        bindparam("why", type_=Text).label("reason"),
        bindparam("moment", type_=tables.Moment).label("at"),
    )
)
_ADD_MANY = adding(
    select(
        func.unnest(bindparam("numbers", type_=ARRAY(Text))).column_valued("destino"),
        bindparam("by", type_=Text).label("source"),
        bindparam("why", type_=Text).label("reason"),
        null().cast(tables.Moment).label("at"),
    )
)


def add(
    connection: Connection, number: str, *, source: Source, reason: str | None = None, at: datetime | None = None
) -> OptOut | None:
    """Put a number (national digits) on the list; None when it is on it, or opted in again after `at`."""
    given = {"number": number, "by": source, "why": _storable(reason), "moment": at}
    row = connection.execute(_ADD_ONE, given).first()
    tell(connection, [row] if row else [])
    return _of(row) if row else None


def add_many(
    connection: Connection, numbers: Sequence[str], *, source: Source, reason: str | None = None
) -> list[OptOut]:
    """Put numbers (national digits) on the list; those that were not on it, in ascending order."""
    given = {"numbers": list(numbers), "by": source, "why": _storable(reason)}
    rows = connection.execute(_ADD_MANY, given).all()
    tell(connection, rows)
    return [_of(row) for row in rows]


def tell(connection: Connection, added: Sequence[Any]) -> None:
    """Tell other services that rows of the list are new: how many, and where they can be read."""
    if added:
        since = min(row.since for row in added).isoformat()
        where = f"/api/v1/optouts?{urlencode({'since': since})}"
        outbox.tell(
            connection, EventType.OPTOUT_CREATED, count=len(added), source=added[0].source, since=since, link=where
        )


def remove(connection: Connection, number: str, *, source: Source, reason: str | None = None) -> OptOut | None:
    """Opt a number in again; returns its entry, None when it had none."""
    row = connection.execute(
        query("opt_in"), {"destino": number, "source": source, "reason": _storable(reason)}
    ).first()
    return _of(row) if row else None


def find(connection: Connection, number: str) -> OptOut | None:
    """The opt-out of a number, if it has one."""
    row = connection.execute(select(tables.optout).where(tables.optout.c.destino == number)).first()
    return _of(row) if row else None


def listing(
    connection: Connection, limit: int, after: tuple[datetime, str] | None = None, since: datetime | None = None
) -> list[OptOut]:
    """The newest opt-outs, the newest first; `after` are time and number of the last one that is known.

    `since` leaves out what is older.
    """
    optout = tables.optout
    newest = select(optout).order_by(optout.c.since.desc(), optout.c.destino.desc()).limit(limit)
    if since is not None:
        newest = newest.where(optout.c.since >= since)
    if after is not None:
        newest = newest.where(tuple_(optout.c.since, optout.c.destino) < tuple_(*map(literal, after)))
    return [_of(row) for row in connection.execute(newest)]


def count(connection: Connection) -> int:
    """How many numbers are on the list."""
    return connection.execute(select(func.count()).select_from(tables.optout)).scalar_one()


def _of(row: Any) -> OptOut:
    return OptOut(row.destino, row.source, row.reason, row.since)


def _storable(reason: str | None) -> str | None:
    return reason.replace("\x00", " ")[:500] if reason else None
