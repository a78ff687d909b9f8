"""The opt-out list and the do-not-send list: who is on them, why, and since when.

A person opts out by a reply that is BAJA and nothing else, by a result -3 or -14, by an import or by an operator's
word (Ley 25.326 art. 27, Ley 26.951). Every change is an event that stays. A number that the provider calls a fixed
line (-1) or failing (-2) is not sent to for `UNDELIVERABLE_DAYS`, which is no opt-out and ends by itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, text

from dispatcher.db.statements import query
from dispatcher.domain.phone import PhoneProblem, normalise
from dispatcher.errors import UsageError
from dispatcher.provider.codes import fold

log = logging.getLogger(__name__)

Source = Literal["reply", "result", "import", "operator"]

OPT_OUT_CODES = frozenset({-3, -14})
UNDELIVERABLE_CODES = frozenset({-1, -2})
UNDELIVERABLE_DAYS = 90


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
    """The words that mean "no more": read blind to case, accents, blanks and punctuation."""

    def __init__(self, setting: str) -> None:
        """Take DISPATCHER_OPTOUT_WORDS: words separated by commas; one may be of several words."""
        self._folded = [fold(word) for word in setting.split(",")]
        self._bare = {word.replace(" ", "") for word in self._folded}

    def meant_by(self, texto: str) -> Literal["optout", "review", "reply"]:
        """`optout` for a reply that is such a word and nothing else, `review` for one that merely contains it."""
        said = fold(texto)
        if said.replace(" ", "") in self._bare:
            return "optout"
        spaced = f" {said} "
        return "review" if any(f" {word} " in spaced for word in self._folded) else "reply"


def national(number: str, country: str) -> str:
    """A number as messages have it.

    Raises:
        UsageError: it is no number of that country; the sentence has the guide's code.
    """
    found = normalise(number, country)
    if isinstance(found, PhoneProblem):
        raise UsageError(f"Code {found.code}: {found.detail}.", hint="Give a national number, such as 1144445555.")
    return found


def add(
    connection: Connection, number: str, *, source: Source, reason: str | None = None, at: datetime | None = None
) -> OptOut | None:
    """Put a number (national digits) on the list; None when it was there, or opted in again after `at`."""
    row = connection.execute(
        query("opt_out"), {"destino": number, "source": source, "reason": _storable(reason), "at": at}
    ).first()
    return _of(row) if row else None


def remove(connection: Connection, number: str, *, source: Source, reason: str | None = None) -> OptOut | None:
    """Opt a number in again; what the list had of it, None when it had nothing."""
    row = connection.execute(
        query("opt_in"), {"destino": number, "source": source, "reason": _storable(reason)}
    ).first()
    return _of(row) if row else None


def find(connection: Connection, number: str) -> OptOut | None:
    """The opt-out of a number, if it has one."""
    row = connection.execute(text("SELECT * FROM optout WHERE destino = :number"), {"number": number}).first()
    return _of(row) if row else None


def listing(connection: Connection, limit: int) -> list[OptOut]:
    """The newest opt-outs, the newest first."""
    rows = connection.execute(
        text("SELECT * FROM optout ORDER BY since DESC, destino LIMIT :limit"), {"limit": limit}
    ).all()
    return [_of(row) for row in rows]


def count(connection: Connection) -> int:
    """How many numbers are on the list."""
    return int(connection.execute(text("SELECT count(*) FROM optout")).scalar_one())


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """One number of the do-not-send list."""

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


_UNDELIVERABLE = "SELECT * FROM undeliverable WHERE expires_at > clock_timestamp() "


def undeliverable(connection: Connection, number: str) -> Undeliverable | None:
    """What the do-not-send list has of a number now."""
    row = connection.execute(text(_UNDELIVERABLE + "AND destino = :number"), {"number": number}).first()
    return Undeliverable(row.destino, row.code, row.since, row.expires_at) if row else None


def undeliverables(connection: Connection, limit: int) -> list[Undeliverable]:
    """The do-not-send list, the newest first."""
    rows = connection.execute(
        text(_UNDELIVERABLE + "ORDER BY since DESC, destino LIMIT :limit"), {"limit": limit}
    ).all()
    return [Undeliverable(row.destino, row.code, row.since, row.expires_at) for row in rows]


def deliverable_again(connection: Connection, number: str) -> bool:
    """Take a number off the do-not-send list; the results that put it there do not put it there again."""
    changed = connection.execute(
        text(
            "UPDATE undeliverable SET expires_at = greatest(since, clock_timestamp()) "
            "WHERE destino = :number AND expires_at > clock_timestamp() RETURNING 1"
        ),
        {"number": number},
    ).first()
    return changed is not None


def heed_staged(connection: Connection, codes: set[int]) -> None:
    """Heed the results that `settle_line` holds, in the transaction that settles them; `codes` are theirs."""
    if codes & OPT_OUT_CODES:
        connection.execute(query("opt_out_refused"))
    if codes & UNDELIVERABLE_CODES:
        connection.execute(query("list_undeliverable"), {"days": UNDELIVERABLE_DAYS})


def heed_code(connection: Connection, number: str, code: int | None, words: str, at: datetime) -> None:
    """Heed the result of one message that was sent alone."""
    if code in OPT_OUT_CODES:
        add(connection, number, source="result", reason=f"{code} {words}", at=at)
    elif code in UNDELIVERABLE_CODES:
        connection.execute(
            text(
                "INSERT INTO undeliverable AS u (destino, code, since, expires_at) "
                "VALUES (:number, :code, :at, CAST(:at AS timestamptz) + make_interval(days => :days)) "
                "ON CONFLICT (destino) DO UPDATE SET code = excluded.code, since = excluded.since, "
                "expires_at = excluded.expires_at WHERE excluded.since > u.since"
            ),
            {"number": number, "code": code, "at": at, "days": UNDELIVERABLE_DAYS},
        )


def _of(row: Any) -> OptOut:
    return OptOut(row.destino, row.source, row.reason, row.since)


def _storable(reason: str | None) -> str | None:
    return reason.replace("\x00", " ")[:500] if reason else None
