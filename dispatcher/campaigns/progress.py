"""How a campaign is coming along: how fast it goes, and when it would be over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from dispatcher.campaigns.estimate import estimate
from dispatcher.campaigns.summary import Summary
from dispatcher.config import Settings
from dispatcher.domain.days_off import DaysOff
from schemas import tables
from schemas.states import MessageStatus

_SPAN = timedelta(minutes=5)
_LEAST = timedelta(seconds=5)
"""A campaign that has just begun has gone for so long, so that its first chunk is no pace of millions."""
_OPEN = ("draft", "scheduled", "running", "paused")


@dataclass(frozen=True, slots=True)
class Progress:
    """`share` of the messages is final; `rate_per_minute` were handed in of late; `ends_about` if it goes on so."""

    share: float
    rate_per_minute: float
    ends_about: datetime | None


def progress(connection: Connection, settings: Settings, shown: Summary) -> Progress:
    """The progress of a campaign."""
    share = shown.final / shown.messages if shown.messages else 1.0
    waiting = shown.counts.get(MessageStatus.PENDING, 0)
    rate = _rate(connection, shown) if shown.state in ("running", "paused") else 0.0
    rate = min([rate, *(limit for limit in (shown.rate, settings.rate) if limit)])  # the first chunk may go at once
    return Progress(round(share, 4), round(rate, 1), _ends(settings, shown, waiting, rate))


def _rate(connection: Connection, shown: Summary) -> float:
    """Messages a minute of the last five, or of the time since it began."""
    chunk = tables.chunk
    posted = select(func.now(), func.coalesce(func.sum(chunk.c.messages), 0)).where(
        chunk.c.campaign_id == shown.campaign_id, chunk.c.posted_at >= func.now() - _SPAN
    )
    now, messages = connection.execute(posted).one()
    since_begin = now - shown.started_at if shown.started_at else _SPAN
    return float(messages) / (max(_LEAST, min(_SPAN, since_begin)) / timedelta(minutes=1))


def _ends(settings: Settings, shown: Summary, waiting: int, rate: float) -> datetime | None:
    """Before anything was sent, the same estimate as a dry run's."""
    if shown.state not in _OPEN or not waiting:
        return None
    off = DaysOff(frozenset(shown.not_on))
    begins = max(shown.start_at or shown.created_at, datetime.now(UTC))
    if not rate:
        posts = -(-waiting // settings.chunk_size)
        return estimate(settings, begins, sending=waiting, posts=posts, rate=shown.rate, days_off=off).ends
    return settings.sending_window.without(off).finish(begins, timedelta(minutes=waiting / rate))
