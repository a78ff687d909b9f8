"""Blocks: an account that the provider refuses sends nothing but one trial per backoff step."""

import logging
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from dispatcher.db.statements import query
from dispatcher.provider.codes import strip_number
from dispatcher.webhooks import outbox
from dispatcher.webhooks.event_types import EventType

log = logging.getLogger(__name__)

DOUBTS_FOR_TRIAL = 3
"""With this many unresolved doubts, an account claims one trial chunk per backoff step."""

UNBLOCKED: dict[str, Any] = {
    "blocked_at": None,
    "blocked_words": None,
    "blocked_cause": None,
    "failures": 0,
    "retry_at": None,
}
"""The columns of an account that is neither blocked nor backing off."""


def block(connection: Connection, account_id: int, words: str) -> None:
    """Block the account in the provider's words; the log says so when the block begins, not at each trial."""
    row = connection.execute(query("account_blocked"), {"account_id": account_id, "words": words}).one()
    _begin(connection, account_id, words, row.begun)


def block_by_result(connection: Connection, account_id: int, words: str, cause: str | None, fecha: datetime) -> None:
    """As `block`, for words about credit or contract that came as a message's result of this fecha.

    Nothing changes when newer words were read before.
    """
    parameters = {"account_id": account_id, "words": words, "cause": cause, "fecha": fecha}
    row = connection.execute(query("block_by_result"), parameters).first()
    _begin(connection, account_id, words, row is not None and row.begun)


def _begin(connection: Connection, account_id: int, words: str, begun: bool) -> None:
    if begun:
        outbox.tell(connection, EventType.ACCOUNT_BLOCKED, account_id=account_id, why=strip_number(words)[:500])
        log.error("account_blocked account=%s words=%r", account_id, words[:200])


def unblock(connection: Connection, account_id: int) -> bool:
    """End a block, because a message was accepted or the operator says so. Returns whether there was one."""
    return connection.execute(query("end_block"), {"account_id": account_id}).rowcount > 0
