"""One person, by the number: messages, replies, and what the opt-out and do-not-send lists say, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select

from dispatcher.db.statements import query
from dispatcher.replies import handling
from dispatcher.replies.handling import Handled, Wanted
from dispatcher.suppression import do_not_send, no_llame, optouts
from dispatcher.suppression.do_not_send import Undeliverable
from dispatcher.suppression.optouts import OptOut
from schemas import tables


@dataclass(frozen=True, slots=True)
class PersonMessage:
    """A message to the person; `at` is when it was posted, or made as long as it was not."""

    at: datetime
    kind: Literal["campaign", "single"]
    idinterno: str
    campaign_id: int | None
    seq: int | None
    external_id: str | None
    text: str
    status: str
    result_code: int | None
    result_text: str | None
    submitted_at: datetime | None
    processed_at: datetime | None


@dataclass(frozen=True, slots=True)
class OptOutEvent:
    """One change of the opt-out list, which is never forgotten."""

    at: datetime
    action: Literal["add", "remove"]
    source: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """All about one number (national digits). What the lists say holds now; the others are newest first."""

    number: str
    optout: OptOut | None
    no_llame: bool  # in the No Llame registry: no marketing
    undeliverable: Undeliverable | None
    messages: list[PersonMessage]
    replies: list[Handled]
    optouts: list[OptOutEvent]


def find(connection: Connection, number: str, limit: int) -> Person:
    """What is known of a number, given in national digits; at most `limit` of each, the newest."""
    return Person(
        number=number,
        optout=optouts.find(connection, number),
        no_llame=no_llame.holds(connection, number),
        undeliverable=do_not_send.find(connection, number),
        messages=_messages(connection, number, limit),
        replies=list(handling.listing(connection, limit, Wanted(number=number))),
        optouts=_events(connection, number, limit),
    )


def _messages(connection: Connection, number: str, limit: int) -> list[PersonMessage]:
    found = [*_of_campaigns(connection, number, limit), *_singles(connection, number, limit)]
    return sorted(found, key=lambda each: each.at, reverse=True)[:limit]


def _of_campaigns(connection: Connection, number: str, limit: int) -> list[PersonMessage]:
    rows = connection.execute(query("messages_to_number"), {"destino": number, "limit": limit})
    return [PersonMessage(kind="campaign", **row) for row in rows.mappings()]


def _singles(connection: Connection, number: str, limit: int) -> list[PersonMessage]:
    single = tables.single_message
    newest = select(single).where(single.c.destino == number).order_by(single.c.created_at.desc()).limit(limit)
    return [
        PersonMessage(
            at=row.created_at,
            kind="single",
            idinterno=row.idinterno,
            campaign_id=None,
            seq=None,
            external_id=None,
            text=row.texto,
            status=row.state,
            result_code=row.code,
            result_text=row.text,
            submitted_at=row.created_at,
            processed_at=row.finished_at,
        )
        for row in connection.execute(newest)
    ]


def _events(connection: Connection, number: str, limit: int) -> list[OptOutEvent]:
    event = tables.optout_event
    wanted = select(event.c.at, event.c.action, event.c.source, event.c.reason).where(event.c.destino == number)
    newest = wanted.order_by(event.c.at.desc(), event.c.id.desc()).limit(limit)
    return [OptOutEvent(*row) for row in connection.execute(newest)]
