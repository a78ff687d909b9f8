"""Answers under an Idempotency-Key: the same call again gets the first one's answer, also while that one runs.

For calls whose own row does not keep the key. A call that dies leaves its row behind; after the lease another may run.
An answer is kept for a day; one of a call that sends, as long as what it sent is kept as a rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import ColumnElement, Engine, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from dispatcher.db.statements import query
from schemas import tables

LEASE = timedelta(minutes=5)
KEPT = timedelta(days=1)
KEPT_WHEN_SENT = timedelta(days=400)
"""13 months, as long as messages are kept, and some days."""
_SENDING = frozenset({"send_message", "answer_reply", "retry_campaign"})
_MOST_AT_ONCE = 1_000

_replay = tables.api_replay


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to do, as its caller named it; `digest` tells other bodies apart."""

    operation: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call answered."""

    status: int
    headers: tuple[str, ...]  # names and values in turn
    body: bytes


def begin(engine: Engine, call: Call) -> Literal["go", "running", "other"] | Answer:
    """Whether to go on; what the first call under this key answered, if it did; or why there is nothing to do."""
    until = func.clock_timestamp() + LEASE
    new = insert(_replay).values(
        operation=call.operation,
        idempotency_key=call.key,
        body_sha256=call.digest,
        lease_until=until,
        expires_at=func.clock_timestamp() + (KEPT_WHEN_SENT if call.operation in _SENDING else KEPT),
    )
    dead = _replay.c.status.is_(None) & (_replay.c.lease_until < func.clock_timestamp())
    taken = new.on_conflict_do_update(
        index_elements=["operation", "idempotency_key"],
        set_={"lease_until": until, "body_sha256": call.digest},
        where=dead,
    )
    with engine.begin() as connection:
        if connection.execute(taken.returning(_replay.c.operation)).first() is not None:
            return "go"
        row = connection.execute(select(_replay).where(_is(call))).first()
    if row is None:  # it was refused in this moment
        return "running"
    if row.body_sha256 != call.digest:
        return "other"
    if row.status is None:
        return "running"
    return Answer(row.status, tuple(row.headers), bytes(row.answer))


def finish(engine: Engine, call: Call, answer: Answer) -> None:
    """Keep what a call answered."""
    kept = update(_replay).where(_is(call)).values(status=answer.status, headers=list(answer.headers))
    with engine.begin() as connection:
        connection.execute(kept.values(answer=answer.body))


def forget(engine: Engine, call: Call) -> None:
    """Let the key be used again: nothing was done."""
    with engine.begin() as connection:
        connection.execute(delete(_replay).where(_is(call), _replay.c.status.is_(None)))


def drop_old(engine: Engine) -> int:
    """Delete one round of answers whose time is up and return how many. Several processes may run it at once."""
    with engine.begin() as connection:
        dropped: int = connection.execute(query("drop_old_replays"), {"most": _MOST_AT_ONCE}).rowcount
    return dropped


def _is(call: Call) -> ColumnElement[bool]:
    return (_replay.c.operation == call.operation) & (_replay.c.idempotency_key == call.key)
