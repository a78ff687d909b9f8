"""Pulling replies: read, store, and only then mark as read (guide, "Recepción de mensajes vía HTTP (PULL)").

What the marking call brings is stored as well. While marking is under way the next pull is due to read the whole
inbox, so a lost answer, or a crash, loses nothing.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import text

from dispatcher.accounts import binding, provider_clock
from dispatcher.accounts.provider_clock import now_at_provider
from dispatcher.db.statements import query
from dispatcher.errors import AnswerError, UsageError
from dispatcher.replies.store import ReplyStore, Way
from dispatcher.runtime import Runtime
from dispatcher.transports import Formato, Transport

log = logging.getLogger(__name__)

WHOLE_EVERY = 3600.0
"""Seconds between two pulls of the whole inbox, read or not."""


def pull(
    runtime: Runtime,
    account_id: int,
    *,
    origen: str | None = None,
    whole: bool = False,
    mark: bool | None = None,
    transport: Transport | None = None,
    formato: Formato = "text",
) -> list[int]:
    """Pull replies and store them.

    Args:
        origen: those of one number alone (national digits).
        whole: read ones too; repeated PUSHes are then set aside.
        mark: mark as read at the provider, once stored; DISPATCHER_INBOX_MARK when None.

    Returns:
        The row numbers of what was new, or met its PUSH.

    Raises:
        ProviderError: no usable answer; what was stored before stays.
    """
    settings = runtime.settings
    way: Transport = transport or (settings.transport if settings.apikey else "soap")
    name: Way = "soap" if way == "soap" else "pull"
    mark = settings.inbox_mark if mark is None else mark
    # With nothing marked, unread says nothing about what is new.
    whole = whole or not mark
    inbox, post = runtime.inbox(way, formato), ReplyStore(runtime, account_id)
    provider_clock.ensure_or_none(runtime, account_id)
    with runtime.engine.connect() as connection:
        begun = now_at_provider(connection, account_id)
    found = inbox.pull(origen, only_unread=not whole)
    if found.malformed:
        log.warning("inbox_malformed account=%s lines=%s", account_id, found.malformed)
    kept = post.pulled(found, name)
    if whole and origen is None:
        post.drop_repeats(begun)
    if mark and found:
        # Until what marking brings is stored, the next pull is due to read the whole inbox.
        before = _note(runtime, account_id, whole_at=None)
        kept += post.pulled(inbox.pull(origen, only_unread=True, mark_read=True), name)
        _note(runtime, account_id, whole_at=before)
    if whole and origen is None:
        _note(runtime, account_id, whole_at=begun)
    return kept


def pull_due(runtime: Runtime) -> list[int]:
    """Pull when it is time (DISPATCHER_INBOX_INTERVAL); nothing without a key, or before the account is bound."""
    with runtime.engine.begin() as connection:
        account = binding.find(connection, runtime.settings)
        if account is None:
            return []
        due = connection.execute(
            query("begin_inbox"),
            {"account_id": account.id, "interval": runtime.settings.inbox_interval, "whole": WHOLE_EVERY},
        ).first()
    if due is None:
        return []
    try:
        kept = pull(runtime, account.id, whole=due.whole)
    except (AnswerError, UsageError) as error:
        log.warning("inbox_failed account=%s why=%s", account.id, error)
        _words_of_failure(runtime, account.id, str(error))
        return []
    _words_of_failure(runtime, account.id, None)
    return kept


def _note(runtime: Runtime, account_id: int, *, whole_at: datetime | None) -> datetime | None:
    """Set when the whole inbox was last read; returns what stood there before."""
    with runtime.engine.begin() as connection:
        before = connection.execute(
            text("SELECT inbox_whole_at FROM account WHERE id = :id FOR NO KEY UPDATE"), {"id": account_id}
        ).scalar()
        connection.execute(
            text("UPDATE account SET inbox_whole_at = :at WHERE id = :id"), {"id": account_id, "at": whole_at}
        )
        return before


def _words_of_failure(runtime: Runtime, account_id: int, words: str | None) -> None:
    with runtime.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE account SET inbox_words = :words, "
                "inbox_read_at = CASE WHEN CAST(:words AS text) IS NULL THEN inbox_at ELSE inbox_read_at END "
                "WHERE id = :id"
            ),
            {"id": account_id, "words": words},
        )
