"""What a month cost: messages handed in by campaign, from the counters of chunks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from dispatcher.db.statements import query

SHOWN = 100


@dataclass(frozen=True, slots=True)
class Used:
    """The messages of one campaign that were handed in within a month, and what came of them."""

    campaign_id: int
    name: str
    created_by: str | None
    handed_in: int
    accepted: int
    rejected: int


def by_campaign(connection: Connection, account_id: int, first_day: date, limit: int | None = SHOWN) -> list[Used]:
    """A month's campaigns of an account, the largest first; `first_day` is the month's first, in Argentina."""
    following = date(first_day.year + first_day.month // 12, first_day.month % 12 + 1, 1)
    span = {"account_id": account_id, "first_day": first_day, "end": following, "limit": limit}
    return [Used(**row) for row in connection.execute(query("usage_by_campaign"), span).mappings()]
