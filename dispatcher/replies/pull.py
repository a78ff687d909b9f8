"""Pulling replies: read, store, and only then mark as read (guide, "Recepción de mensajes vía HTTP (PULL)").

Unread replies come first, every time, and never wait for the whole inbox. The whole inbox is read once an hour, since
other systems may mark replies as read, and after a marking answer was lost, since that takes its replies along: until
what marking brings is stored, the whole inbox is due. A whole pull that fails keeps what came, and the next one waits
longer each time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, null, update

from dispatcher.accounts import binding, provider_clock
from dispatcher.db.statements import query
from dispatcher.errors import AnswerError, DispatcherError, UsageError
from dispatcher.provider.inbox import Inbox
from dispatcher.replies.store import ReplyStore, Way
from dispatcher.runtime import Runtime
from dispatcher.transports import Formato, Transport
from schemas import tables

log = logging.getLogger(__name__)

_account = tables.account.c

WHOLE_EVERY = 3600.0
"""Seconds between two pulls of the whole inbox, read or not."""
_WHOLE_LEASE = 300.0  # seconds, beyond one call, that storing a whole inbox may take before another worker begins one
_FIRST_RETRY = 60.0  # seconds after a whole pull that failed; doubles up to an hour
_LONGEST_RETRY = 3600.0


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
    """Pull replies and store them: what is unread, then, if wanted, everything.

    Args:
        origen: those of one number alone (national digits).
        whole: read ones too; PUSHes that came twice are then set aside.
        mark: mark as read at the provider, once stored; DISPATCHER_INBOX_MARK when None.

    Returns:
        The row numbers of what was new, or met its PUSH.

    Raises:
        ProviderError: no usable answer; what was stored before stays.
    """
    mark = runtime.settings.inbox_mark if mark is None else mark
    puller = _Puller.of(runtime, account_id, origen, transport, formato)
    kept = puller.unread(mark)
    # With nothing marked, unread says nothing about what is new.
    if whole or not mark:
        kept += puller.whole()
    return kept


def pull_due(runtime: Runtime) -> list[int]:
    """Pull when it is time (DISPATCHER_INBOX_INTERVAL); nothing without a key, or before the account is bound."""
    settings = runtime.settings
    with runtime.engine.begin() as connection:
        account = binding.find(connection, settings)
        if account is None:
            return []
        due = {"account_id": account.id, "interval": settings.inbox_interval}
        if connection.execute(query("begin_inbox"), due).first() is None:
            return []
    try:
        puller = _Puller.of(runtime, account.id)
        unread = puller.unread(settings.inbox_mark)
    except (AnswerError, UsageError) as error:
        _note_failure(runtime, account.id, error)
        return []
    _note(runtime, account.id, **_READ)
    return unread + _whole_due(puller)


def _whole_due(puller: _Puller) -> list[int]:
    """Read the whole inbox when that is due too; no other worker does it meanwhile."""
    runtime, account_id = puller.runtime, puller.account_id
    # With nothing marked, unread says nothing about what is new.
    every = WHOLE_EVERY if runtime.settings.inbox_mark else 0.0
    due = {"account_id": account_id, "every": every, "lease": runtime.settings.provider_timeout + _WHOLE_LEASE}
    with runtime.engine.begin() as connection:
        if connection.execute(query("begin_whole_inbox"), due).first() is None:
            return []
    try:
        kept = puller.whole()
    except AnswerError as error:
        _note_failure(runtime, account_id, error, **_WHOLE_FAILED)
        return []
    _note(runtime, account_id, **_WHOLE_READ)
    return kept


@dataclass(frozen=True, slots=True)
class _Puller:
    """Pulls one account's replies, those of the number `origen` alone if given, by one way."""

    runtime: Runtime
    account_id: int
    origen: str | None
    inbox: Inbox
    store: ReplyStore
    way: Way

    @classmethod
    def of(
        cls,
        runtime: Runtime,
        account_id: int,
        origen: str | None = None,
        transport: Transport | None = None,
        formato: Formato = "text",
    ) -> _Puller:
        """By the configured transport, or by SOAP where there is no key."""
        settings = runtime.settings
        chosen: Transport = transport or (settings.transport if settings.apikey else "soap")
        provider_clock.ensure_or_none(runtime, account_id)
        way: Way = "soap" if chosen == "soap" else "pull"
        store = ReplyStore(runtime, account_id)
        return cls(runtime, account_id, origen, runtime.inbox(chosen, formato), store, way)

    def unread(self, mark: bool) -> list[int]:
        """Store what is unread; then mark it, and store what the marking answer brings."""
        kept, some = self._store(only_unread=True)
        if mark and some:
            with self._marking():
                kept += self._store(only_unread=True, mark_read=True)[0]
        return kept

    def whole(self) -> list[int]:
        """Store everything, read or not; PUSHes that came twice are then set aside."""
        with self.runtime.engine.connect() as connection:
            begun = binding.row(connection, self.account_id).db_now
            begun_at_provider = provider_clock.now_at_provider(connection, self.account_id)
        kept, _ = self._store()
        if self.origen is None:
            self.store.drop_repeats(begun_at_provider)
            marking = case((_account.inbox_marking_at > begun, _account.inbox_marking_at), else_=null())
            _note(self.runtime, self.account_id, inbox_whole_at=begun, inbox_marking_at=marking)
        return kept

    @contextmanager
    def _marking(self) -> Iterator[None]:
        """If the block fails, the whole inbox is read next time."""
        begin = update(tables.account).where(_account.id == self.account_id, _account.inbox_marking_at.is_(None))
        with self.runtime.engine.begin() as connection:
            first = connection.execute(begin.values(inbox_marking_at=func.clock_timestamp())).rowcount
        yield
        if first:
            _note(self.runtime, self.account_id, inbox_marking_at=None)

    def _store(self, **flags: bool) -> tuple[list[int], bool]:
        """Store one answer as it is read; what was new, and whether there was anything."""
        kept, some, malformed = list[int](), False, 0
        for batch in self.inbox.batches(self.origen, **flags):
            kept += self.store.pulled(batch, self.way)
            some, malformed = some or bool(batch), malformed + batch.malformed
        if malformed:
            log.warning("inbox_malformed account=%s lines=%s", self.account_id, malformed)
        return kept, some


_READ: dict[str, Any] = {
    "inbox_read_at": _account.inbox_at,
    # That the whole inbox cannot be read stays to be seen until it can.
    "inbox_words": case((_account.inbox_whole_failures > 0, _account.inbox_words), else_=null()),
}
_WHOLE_READ: dict[str, Any] = {"inbox_words": None, "inbox_whole_failures": 0, "inbox_whole_retry_at": None}
_WHOLE_FAILED: dict[str, Any] = {
    "inbox_whole_failures": _account.inbox_whole_failures + 1,
    "inbox_whole_retry_at": func.clock_timestamp()
    + func.backoff(_account.inbox_whole_failures, _FIRST_RETRY, _LONGEST_RETRY),
}


def _note(runtime: Runtime, account_id: int, **columns: Any) -> None:
    """Write into the account's row how its pulls go."""
    with runtime.engine.begin() as connection:
        connection.execute(update(tables.account).where(_account.id == account_id).values(**columns))


def _note_failure(runtime: Runtime, account_id: int, error: DispatcherError, **columns: Any) -> None:
    log.warning("inbox_failed account=%s why=%s", account_id, error)
    _note(runtime, account_id, inbox_words=str(error), **columns)
