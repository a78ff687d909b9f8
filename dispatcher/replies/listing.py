"""Stored replies, for people to read: the list, and one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, Label, Row, Select, any_, case, literal, select

from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from schemas import tables

State = Literal["new", "answered", "done"]

reply_state: Label[str] = case(
    (tables.reply.c.done_at.is_not(None), "done"), (tables.reply.c.answered_at.is_not(None), "answered"), else_="new"
).label("state")
"""What was done about a reply."""


def in_state(state: State) -> ColumnElement[bool]:
    """The replies in a state; of new ones as the index `reply_new` has them."""
    done, answered = tables.reply.c.done_at, tables.reply.c.answered_at
    if state == "done":
        return done.is_not(None)
    return done.is_(None) & (answered.is_(None) if state == "new" else answered.is_not(None))


@dataclass(frozen=True, slots=True)
class Reply:
    """A stored reply; `id` is the ID SMS MASIVOS, None for a PUSH that was not pulled yet; `reply_id` is ours."""

    reply_id: int
    id: int | None
    origen: str
    texto: str
    received_at: datetime
    idinterno: str | None
    campaign_id: int | None
    seq: int | None
    kind: str
    state: State
    source: str
    provisional: bool

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON; `received_at` in provider time."""
        local = self.received_at.astimezone(PROVIDER_ZONE).replace(microsecond=0)
        return {name: getattr(self, name) for name in self.__slots__} | {"received_at": local.isoformat()}


def listing(
    connection: Connection,
    limit: int,
    *,
    kind: str | None = None,
    state: State | None = None,
    campaign_id: int | None = None,
    origen: str | None = None,
    rows: Sequence[int] | None = None,
) -> list[Reply]:
    """Replies, the newest first; `rows` are row numbers as `pull` returns them."""
    reply = tables.reply.c
    wanted = _replies()
    if kind is not None:
        wanted = wanted.where(reply.kind == kind)
    if state is not None:
        wanted = wanted.where(in_state(state))
    if campaign_id is not None:
        wanted = wanted.where(reply.campaign_id == campaign_id)
    if origen is not None:
        wanted = wanted.where(reply.origen == origen)
    if rows is not None:
        wanted = wanted.where(reply.id == any_(literal(list(rows), ARRAY(BigInteger))))
    newest_first = (reply.received_at.desc(), reply.provider_id.desc().nulls_first(), reply.id.desc())
    return [_of(row) for row in connection.execute(wanted.order_by(*newest_first).limit(limit))]


def find(connection: Connection, number: int) -> Reply:
    """One reply by its ID SMS MASIVOS.

    Raises:
        UsageError: there is none.
    """
    row = connection.execute(_replies().where(tables.reply.c.provider_id == number)).first()
    if row is None:
        raise UsageError(
            worded("There is no reply {number}.", number=number), hint="`dispatcher inbox list` shows them."
        )
    return _of(row)


def _replies() -> Select[Any]:
    """Every reply but the repeats of a PUSH, as the view `inbox` has them."""
    reply = tables.reply
    return select(reply, reply_state).where(reply.c.repeated_at.is_(None))


def _of(row: Row[Any]) -> Reply:
    return Reply(
        reply_id=row.id,
        id=row.provider_id,
        origen=row.origen,
        texto=row.texto,
        received_at=row.received_at,
        idinterno=row.idinterno,
        campaign_id=row.campaign_id,
        seq=row.seq,
        kind=row.kind,
        state=row.state,
        source=row.source,
        provisional=row.provider_id is None,
    )
