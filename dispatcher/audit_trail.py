"""The audit trail: who did what to what, why and when, written in the transaction of what was done.

Who acts is known by the context: a user of this machine unless something else was said, such as a key of the API or
the system itself (`acting_as`).
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select

from dispatcher.db.storable import storable
from schemas import tables


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `name` is a user's, `ID NAME` of a key, or the part of the system."""

    kind: Literal["user", "key", "system"]
    name: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.kind} {self.name}"

    @classmethod
    def parse(cls, written: str | None) -> Actor:
        """What `str` wrote; the one who acts here when nothing was written."""
        kind, _, name = (written or "").partition(" ")
        return cls(kind, name) if kind in ("user", "key", "system") and name else current()  # type: ignore[arg-type]


_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)
_of_process: list[Actor] = []


def current() -> Actor:
    """Who acts here: the user of this process unless `acting_as` or `belong_to` says otherwise."""
    return _actor.get() or (_of_process[-1] if _of_process else Actor("user", os_user()))


def belong_to(actor: Actor) -> None:
    """Say who acts in this process by default: a worker is not the user that it runs under."""
    _of_process.append(actor)


def os_user() -> str:
    """The user of this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Say who acts, for the length of a block and all that it calls."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def record(
    connection: Connection,
    action: str,
    campaign_id: int | None = None,
    chunk_no: int | None = None,
    *,
    reason: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Record an action in the transaction that carries it out. `detail` is JSON, without numbers and texts of people.

    `action` is a noun and a verb, such as `campaign.pause` or `key.revoke`.
    """
    who = current()
    connection.execute(
        insert(tables.audit_entry).values(
            actor_kind=who.kind,
            actor=storable(who.name),
            action=action,
            campaign_id=campaign_id,
            chunk_no=chunk_no,
            reason=storable(reason) if reason is not None else None,
            detail=detail or {},
        )
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done."""

    id: int
    at: datetime
    actor: str
    action: str
    chunk_no: int | None
    reason: str | None
    detail: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {**asdict(self), "at": self.at.isoformat()}


def of_campaign(connection: Connection, campaign_id: int, *, after: int = 0, limit: int | None = None) -> list[Entry]:
    """What was done to a campaign, in order; `after` is the id of the last entry that is known."""
    entry = tables.audit_entry
    wanted = select(entry).where(entry.c.campaign_id == campaign_id, entry.c.id > after).order_by(entry.c.id)
    return [_entry(row) for row in connection.execute(wanted.limit(limit))]


def last_of_campaign(connection: Connection, campaign_id: int, limit: int) -> list[Entry]:
    """What was done to a campaign last, the newest first."""
    entry = tables.audit_entry
    wanted = select(entry).where(entry.c.campaign_id == campaign_id).order_by(entry.c.id.desc()).limit(limit)
    return [_entry(row) for row in connection.execute(wanted)]


def _entry(row: Row[Any]) -> Entry:
    who = str(Actor(row.actor_kind, row.actor))
    return Entry(row.id, row.at, who, row.action, row.chunk_no, row.reason, row.detail)
