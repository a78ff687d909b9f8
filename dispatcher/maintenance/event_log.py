"""What happened to campaigns, for the log of the worker that ticks: whoever did it, on whichever surface."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from schemas import tables

log = logging.getLogger(__name__)

_AT_ONCE = 100


@dataclass
class EventLog:
    """Remembers, in this process, what it has told."""

    last_entry: int | None = None  # of the audit trail
    waiting: dict[int, str] = field(default_factory=dict)  # why each account waits

    def changes(self, connection: Connection) -> None:
        """Log what was done since the last look: created, paused, resumed …; who did it, and never the words for it.

        An entry that is committed behind a later one may be missed: the audit trail has all of them.
        """
        entry = tables.audit_entry.c
        if self.last_entry is None:
            self.last_entry = connection.execute(select(func.coalesce(func.max(entry.id), 0))).scalar_one()
        shown = select(entry.id, entry.action, entry.campaign_id, entry.chunk_no, entry.actor_kind, entry.actor)
        for row in connection.execute(shown.where(entry.id > self.last_entry).order_by(entry.id).limit(_AT_ONCE)):
            self.last_entry = row.id
            about = "".join(
                f" {name}={value}"
                for name, value in (("campaign", row.campaign_id), ("chunk", row.chunk_no))
                if value is not None
            )
            log.info("%s%s by=%s:%s", row.action.replace(".", "_"), about, row.actor_kind, row.actor)

    def waits(self, account_id: int, why: str | None) -> None:
        """Log that something is due and why it waits; once for each reason, and again when it goes on."""
        before = self.waiting.get(account_id)
        why = why and why.partition(":")[0]  # what follows are the provider's words
        if why == before:
            return
        if why is None:
            del self.waiting[account_id]
            log.info("goes_on account=%s", account_id)
        else:
            self.waiting[account_id] = why
            log.info("waits account=%s why=%s", account_id, why)
