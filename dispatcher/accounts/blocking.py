"""Blocks: an account that the provider refuses sends nothing but one trial per backoff step."""

import logging

from sqlalchemy import Connection, text

from dispatcher.db.statements import query

log = logging.getLogger(__name__)

DOUBTS_FOR_TRIAL = 3
"""With this many unresolved doubts, an account claims one trial chunk per backoff step."""


def block(connection: Connection, account_id: int, words: str) -> None:
    """Block the account that the provider refuses, in these words; the log tells when that begins, not each trial."""
    row = connection.execute(query("account_blocked"), {"account_id": account_id, "words": words}).one()
    if row.begun:
        log.error("account_blocked account=%s words=%r", account_id, words[:200])


def unblock(connection: Connection, account_id: int) -> bool:
    """End a block by the operator's word; whether there was one."""
    return bool(
        connection.execute(
            text(
                "UPDATE account SET blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL, failures = 0, "
                "retry_at = NULL WHERE id = :id AND blocked_at IS NOT NULL RETURNING id"
            ),
            {"id": account_id},
        ).first()
    )
