"""What people did about replies: new, answered by whom, done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, literal, select, tuple_, update

from dispatcher import audit_trail
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from dispatcher.replies.listing import State, in_state, reply_state
from schemas.tables import reply


@dataclass(frozen=True, slots=True)
class Handled:
    """A reply and what was done about it.

    `reply_id` is ours and never changes; `provider_id` is the ID SMS MASIVOS, None until the reply was pulled.
    """

    reply_id: int
    provider_id: int | None
    number: str
    text: str
    received_at: datetime
    idinterno: str | None
    campaign_id: int | None
    seq: int | None
    kind: str
    state: State
    answered_at: datetime | None
    answered_by: str | None
    done_at: datetime | None
    done_by: str | None


class NoReply(UsageError):
    """There is no such reply."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which replies; None = any. `before` are time and id of the last one that is known."""

    kind: str | None = None
    state: State | None = None
    campaign_id: int | None = None
    number: str | None = None
    since: datetime | None = None
    before: tuple[datetime, int] | None = None


def listing(connection: Connection, limit: int, wanted: Wanted) -> Sequence[Handled]:
    """Replies, the newest first."""
    chosen = _replies()
    if wanted.kind is not None:
        chosen = chosen.where(reply.c.kind == wanted.kind)
    if wanted.campaign_id is not None:
        chosen = chosen.where(reply.c.campaign_id == wanted.campaign_id)
    if wanted.state is not None:
        chosen = chosen.where(in_state(wanted.state))
    if wanted.number is not None:
        chosen = chosen.where(reply.c.origen == wanted.number)
    if wanted.since is not None:
        chosen = chosen.where(reply.c.received_at >= wanted.since)
    if wanted.before is not None:
        chosen = chosen.where(tuple_(reply.c.received_at, reply.c.id) < tuple_(*map(literal, wanted.before)))
    newest = chosen.order_by(reply.c.received_at.desc(), reply.c.id.desc()).limit(limit)
    return [_of(row) for row in connection.execute(newest)]


def find(connection: Connection, reply_id: int) -> Handled:
    """One reply.

    Raises:
        NoReply: there is none.
    """
    row = connection.execute(_replies().where(reply.c.id == reply_id)).first()
    if row is None:
        raise NoReply(worded("There is no reply {reply_id}.", reply_id=reply_id))
    return _of(row)


def answered(connection: Connection, reply_id: int) -> None:
    """Somebody answered it: who acts now; who did so first stays."""
    who = str(audit_trail.current())
    first = update(reply).where(reply.c.id == reply_id, reply.c.answered_at.is_(None))
    connection.execute(first.values(answered_at=func.now(), answered_by=who))
    audit_trail.record(connection, "reply.answer", detail={"reply_id": reply_id})


def done(connection: Connection, reply_id: int) -> Handled:
    """Nothing is left to do about it; who said so first stays.

    Raises:
        NoReply: there is none.
    """
    first = update(reply).where(reply.c.id == reply_id, reply.c.done_at.is_(None))
    who = str(audit_trail.current())
    if connection.execute(first.values(done_at=func.now(), done_by=who)).rowcount:
        audit_trail.record(connection, "reply.done", detail={"reply_id": reply_id})
    return find(connection, reply_id)


def _replies() -> Select[Any]:
    return select(reply, reply_state).where(reply.c.repeated_at.is_(None))


def _of(row: Row[Any]) -> Handled:
    return Handled(
        reply_id=row.id,
        provider_id=row.provider_id,
        number=row.origen,
        text=row.texto,
        received_at=row.received_at,
        idinterno=row.idinterno,
        campaign_id=row.campaign_id,
        seq=row.seq,
        kind=row.kind,
        state=row.state,
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        done_at=row.done_at,
        done_by=row.done_by,
    )
