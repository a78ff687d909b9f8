"""How the account stands in this database: blocked or not, inside its window or not, how much it sent this month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from dispatcher.accounts import binding
from dispatcher.config import Settings
from dispatcher.domain.window import provider_local
from schemas import tables


@dataclass(frozen=True, slots=True)
class State:
    """The account now."""

    blocked_words: str | None
    blocked_at: datetime | None
    window_open: bool
    used_this_month: int


def state(connection: Connection, settings: Settings) -> State:
    """How the configured account stands; one that was never used is open."""
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    window_open = settings.sending_window.next_opening(now) <= now
    bound = binding.find(connection, settings)
    if bound is None:
        return State(None, None, window_open, 0)
    row = binding.row(connection, bound.id)
    chunk = tables.chunk
    month = provider_local(now).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    used = select(func.coalesce(func.sum(chunk.c.messages), 0)).where(
        chunk.c.account_id == bound.id, chunk.c.posted_at >= month, chunk.c.state.in_(("accepted", "settled"))
    )
    words, since = (row.stale_words, row.stale_at) if row.stale_words else (row.blocked_words, row.blocked_at)
    return State(words, since, window_open, int(connection.execute(used).scalar_one()))
