"""Why a campaign that is not over sends nothing at this moment, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection, func, select

from dispatcher.campaigns.summary import Summary
from dispatcher.config import Settings
from dispatcher.domain.days_off import DaysOff
from schemas import tables

Why = Literal["draft", "paused", "blocked", "start", "window", "day", "results", "rate"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Why it waits; `until` where a time is known, `words` where somebody said why."""

    why: Why
    until: datetime | None = None
    words: str | None = None


def wait(settings: Settings, shown: Summary, now: datetime | None = None) -> Wait | None:
    """What a campaign waits for; None when it sends, or is over."""
    now = now or datetime.now(UTC)
    if shown.state == "draft":
        return Wait("draft")
    if shown.state == "paused":
        return Wait("paused", words=shown.reason)
    if shown.state not in ("scheduled", "running"):
        return None
    if shown.blocked:
        return Wait("blocked", words=shown.blocked)
    waiting = shown.counts.get("pending", 0)
    if not waiting:
        return Wait("results") if shown.state == "running" else None
    account = settings.sending_window
    window = account.without(DaysOff(frozenset(shown.not_on)))
    if shown.start_at is not None and shown.start_at > now:
        return Wait("start", until=window.next_opening(shown.start_at))
    opening = window.next_opening(now)
    if opening <= now:
        return None
    return Wait("window" if account.next_opening(now) > now else "day", until=opening)


def wait_now(connection: Connection, settings: Settings, shown: Summary) -> Wait | None:
    """As `wait`, and the rate of the campaign or of the account, which only the database knows."""
    found = wait(settings, shown)
    if found is not None or not shown.counts.get("pending") or shown.state not in ("scheduled", "running"):
        return found
    campaign, account = tables.campaign, tables.account
    limits = [campaign.c.rate_free_at] if shown.rate else []
    limits += [account.c.rate_free_at] if settings.rate else []
    if not limits:
        return None
    free_at = select(func.greatest(*limits), func.clock_timestamp()).select_from(campaign.join(account))
    at, now = connection.execute(free_at.where(campaign.c.id == shown.campaign_id)).one()
    return Wait("rate", until=at) if at is not None and at > now else None
