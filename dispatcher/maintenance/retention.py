"""Retention: what has been kept for as long as it should goes, and its sums stay for ever.

A campaign whose time is over is summed up, and all that hangs on it is deleted. Its messages go with their range, by
one DROP; only where the range has to stay for other campaigns' sake are they deleted one by one. Nothing of an open
campaign goes, nor of one with a message in doubt or held. Each step is a transaction that can be run again, so that a
process may be killed at any point. Ranges are made and sealed here as well.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection, Engine, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from dispatcher.config import Settings
from dispatcher.db import ranges
from dispatcher.db.errors import DRIVER_ERRORS, sqlstate
from dispatcher.db.statements import query
from dispatcher.db.transactions import take_time
from schemas import tables

log = logging.getLogger(__name__)

CAMPAIGNS_AT_ONCE = 50
ROWS_AT_ONCE = 20_000
ROUND_SECONDS = 20.0
"""A round ends after so long; the next one goes on."""
BEAT = "retention"
"""The heartbeat of rounds that left nothing over."""
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(slots=True)
class Gone:
    """What went, or would go."""

    days: int | None
    campaigns: int = 0
    messages: int = 0
    ranges: list[str] = field(default_factory=list)
    replies: int = 0
    single_messages: int = 0
    requests: int = 0
    complete: bool = True  # nothing was left over for another round


def would_go(connection: Connection, settings: Settings) -> Gone:
    """What a run would drop now; changes nothing."""
    days = settings.retention_days
    gone = Gone(days)
    take_time(connection)
    wanted = {"days": _days(days), "limit": 1_000_000}
    ids = [row.id for row in connection.execute(query("campaigns_to_drop"), wanted).all()]
    campaign = tables.campaign
    gone.campaigns = len(ids)
    summed = select(func.coalesce(func.sum(campaign.c.messages), 0)).where(campaign.c.id.in_(ids))
    gone.messages = int(connection.execute(summed).scalar_one()) if ids else 0
    if days is not None:
        counts = connection.execute(query("old_rows"), {"days": days}).one()
        gone.replies, gone.single_messages, gone.requests = counts
    parts = tables.message_range.c
    inside = (campaign.c.id >= parts.first_campaign) & (campaign.c.id < parts.end_campaign)
    last = select(func.max(campaign.c.id)).scalar_subquery()
    stays = select(campaign.c.id).where(inside, campaign.c.dropped_at.is_(None), campaign.c.id.not_in(ids or [0]))
    whole = select(parts.name).where(
        parts.end_campaign <= last, ~stays.exists(), select(campaign.c.id).where(inside).exists()
    )
    gone.ranges = list(connection.execute(whole.order_by(parts.first_campaign)).scalars())
    return gone


def run(engine: Engine, settings: Settings, seconds: float = ROUND_SECONDS) -> Gone:
    """Make ranges ahead, drop what has been kept for as long as it should, seal ranges; one round."""
    ends = time.monotonic() + seconds
    ranges.make_ahead(engine)
    gone = Gone(settings.retention_days)
    gone.complete = _drop_campaigns(engine, gone, ends) and _drop_ranges(engine, gone)
    if gone.days is not None:
        gone.complete = _drop_other_rows(engine, gone, gone.days, ends) and gone.complete
    if gone.complete:
        _note_beat(engine)
    while time.monotonic() < ends and _seal_one(engine):
        pass
    return gone


def _days(days: int | None) -> int:
    return days if days is not None else 36_500  # a campaign may still have a time of its own


def _drop_campaigns(engine: Engine, gone: Gone, ends: float) -> bool:
    wanted = {"days": _days(gone.days), "limit": CAMPAIGNS_AT_ONCE}
    while True:
        with engine.begin() as connection:
            take_time(connection)
            due = connection.execute(query("campaigns_to_drop"), wanted).all()
            left = connection.execute(query("left_messages")).scalars().all()
        for campaign_id in left:  # of a range that did not go after all
            gone.messages += _drop_messages(engine, campaign_id)
        for row in due:
            if time.monotonic() > ends:
                return False
            if not row.by_range:
                _drop_messages(engine, row.id)
            gone.messages += _drop_campaign(engine, row.id)
            gone.campaigns += 1
        if len(due) < CAMPAIGNS_AT_ONCE:
            return True


def _drop_messages(engine: Engine, campaign_id: int) -> int:
    total = 0
    while True:
        with engine.begin() as connection:
            few = {"campaign_id": campaign_id, "limit": ROWS_AT_ONCE}
            gone: int = connection.execute(query("drop_messages"), few).rowcount
        total += gone
        if gone < ROWS_AT_ONCE:
            return total


def _drop_campaign(engine: Engine, campaign_id: int) -> int:
    """Sum a campaign up and delete what hangs on it. Returns how many messages it had."""
    campaign, chunk, request = tables.campaign, tables.chunk, tables.campaign_request
    with engine.begin() as connection:
        take_time(connection)
        mine = select(campaign.c.dropped_at, campaign.c.messages).where(campaign.c.id == campaign_id)
        row = connection.execute(mine.with_for_update()).one()
        if row.dropped_at is not None:
            return 0  # another process was quicker
        connection.execute(query("sum_up_campaign"), {"campaign_id": campaign_id})
        attempts = tables.attempt.c.chunk_id.in_(select(chunk.c.id).where(chunk.c.campaign_id == campaign_id))
        connection.execute(delete(tables.attempt).where(attempts))
        for table in (
            *(tables.chunk_result, tables.result_line, tables.absence, tables.invalid_row),
            *(tables.campaign_list, chunk),
        ):
            connection.execute(delete(table).where(table.c.campaign_id == campaign_id))
        connection.execute(delete(request).where(request.c.campaign_id == campaign_id))
        gone = update(campaign).where(campaign.c.id == campaign_id)
        connection.execute(gone.values(dropped_at=func.now(), upload_id=None))
    log.info("campaign_dropped campaign=%s messages=%s", campaign_id, row.messages)
    return int(row.messages)


def _drop_ranges(engine: Engine, gone: Gone) -> bool:
    with engine.connect() as connection:
        names = list(connection.execute(query("ranges_to_drop")).scalars())
    for name in names:
        try:
            ranges.drop(engine, name)
        except DRIVER_ERRORS as error:
            if sqlstate(error) != _LOCK_NOT_AVAILABLE:
                raise
            log.info("range_in_use range=%s", name)
            return False
        gone.ranges.append(name)
    return True


def _drop_other_rows(engine: Engine, gone: Gone, days: int, ends: float) -> bool:
    """What belongs to no campaign: replies, single messages, requests that made none, samples of the balance."""
    for statement, what in (
        ("drop_replies", "replies"),
        ("drop_singles", "single_messages"),
        ("drop_requests", "requests"),
    ):
        while True:
            if time.monotonic() > ends:
                return False
            with engine.begin() as connection:
                n = connection.execute(query(statement), {"days": days, "limit": ROWS_AT_ONCE}).rowcount
            setattr(gone, what, getattr(gone, what) + n)
            if n < ROWS_AT_ONCE:
                break
    balance, delay = tables.balance, tables.result_delay
    with engine.begin() as connection:
        connection.execute(query("note_dropped_replies"), {"days": days})
        connection.execute(delete(balance).where(balance.c.at < func.now() - timedelta(days=days)))
        connection.execute(delete(delay).where(delay.c.hour < func.now() - timedelta(days=31)))
        connection.execute(query("drop_unused_uploads"), {"days": days})
    return True


def _note_beat(engine: Engine) -> None:
    first = insert(tables.heartbeat).values(name=BEAT)
    with engine.begin() as connection:
        connection.execute(first.on_conflict_do_update(index_elements=["name"], set_={"at": func.clock_timestamp()}))


def _seal_one(engine: Engine) -> bool:
    """Seal a range while nothing is sent: whoever asks for its messages waits for it."""
    with engine.connect() as connection:
        if connection.execute(query("sent_lately")).scalar():
            return False
    try:
        return ranges.seal_one(engine) is not None
    except DRIVER_ERRORS as error:
        if sqlstate(error) != _LOCK_NOT_AVAILABLE:
            raise
        log.info("range_in_use")
        return False
