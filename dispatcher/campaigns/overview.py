"""What somebody wants to know first: what runs, what comes, what needs a decision, how the last days went.

Everything is read from campaigns that are not over and from the counters of chunks; no message is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, func, select

from dispatcher.campaigns import summary
from dispatcher.campaigns.summary import Summary
from dispatcher.db.statements import query
from dispatcher.domain.window import provider_local
from schemas import tables

DAYS = 7
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Overview:
    """Campaigns that are not over, the newest first, by what they do."""

    running: list[Summary]  # running or paused
    scheduled: list[Summary]
    drafts: list[Summary]
    held: list[Summary]  # any of these whose messages wait for an operator
    watched: list[Summary]  # paused by the canary or the reject rate


def overview(connection: Connection) -> Overview:
    """The campaigns that are not over."""
    by_state = {
        state: summary.listing(connection, _SHOWN, summary.Wanted(state=state))
        for state in ("running", "paused", "scheduled", "draft")
    }
    running = sorted(by_state["running"] + by_state["paused"], key=lambda each: each.campaign_id, reverse=True)
    open_ = running + by_state["scheduled"]
    campaign = tables.campaign
    stopped = select(campaign.c.id).where(campaign.c.state == "paused", campaign.c.paused_by_watch)
    by_watch = set(connection.execute(stopped).scalars())
    return Overview(
        running,
        by_state["scheduled"],
        by_state["draft"],
        held=[each for each in open_ if each.held],
        watched=[each for each in running if each.campaign_id in by_watch],
    )


@dataclass(frozen=True, slots=True)
class Day:
    """A day of Argentina, and the results of what was handed in on it, by code."""

    day: date
    codes: dict[int, int]


def last_days(connection: Connection, account_id: int, now: datetime) -> list[Day]:
    """The results of the last seven days, the oldest first."""
    today = provider_local(now).date()
    first = today - timedelta(days=DAYS - 1)
    rows = connection.execute(query("results_by_day"), {"account_id": account_id, "first_day": first}).all()
    found: dict[date, dict[int, int]] = {first + timedelta(days=n): {} for n in range(DAYS)}
    for row in rows:
        if row.day in found:
            found[row.day][row.code] = row.n
    return [Day(day, codes) for day, codes in found.items()]


def replies_to_review(connection: Connection) -> int:
    """Replies that might mean an opt-out, and that nobody looked at; at most 100."""
    reply = tables.reply
    some = (
        select(reply.c.id)
        .where(reply.c.kind == "review", reply.c.done_at.is_(None), reply.c.answered_at.is_(None))
        .where(reply.c.repeated_at.is_(None))
        .limit(100)
    )
    return int(connection.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def disabled_webhooks(connection: Connection) -> int:
    """Webhooks that are not called any more."""
    webhook = tables.webhook
    return int(
        connection.execute(select(func.count()).select_from(webhook).where(webhook.c.state == "disabled")).scalar_one()
    )
