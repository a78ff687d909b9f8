"""The canary: the first messages go out alone, and the rest only if few enough of them were rejected.

A running campaign with a limit is watched too: when the chunks posted last have too many rejected messages, it pauses.
`lifecycle.resume` overrules both verdicts.
"""

import logging

from sqlalchemy import Connection

from dispatcher import audit_trail
from dispatcher.db.statements import query
from dispatcher.webhooks import campaign_events
from dispatcher.webhooks.event_types import EventType
from schemas.payload import CampaignSpec

log = logging.getLogger(__name__)

DEFAULT_REJECT_RATE = 0.2
"""The limit of a canary when the campaign sets none."""
RECENT_CHUNKS = 5
ENOUGH_RESULTS = 50
"""Fewer recent results say nothing about a rate: with small chunks, older ones count until there are this many."""


def reject_limit(spec: CampaignSpec) -> float | None:
    """The share of rejected messages above which a campaign pauses; None = nobody watches it."""
    if spec.max_reject_rate is None and spec.canary is not None:
        return DEFAULT_REJECT_RATE
    return spec.max_reject_rate


def verdict(bad: int, results: int, limit: float) -> str | None:
    """Why the campaign must pause; None when the rate is within the limit."""
    if results and bad / results > limit:
        return f"{bad} of {results} messages were rejected ({bad / results:.1%}); the limit is {limit:.1%}"
    return None


def canary_verdict(bad: int, results: int, limit: float, *, posted: bool) -> str | None:
    """Why the campaign must pause after its canary; None when the rest may go. Without results nothing is proved."""
    if not posted:
        return "none of it was sent, because every number is opted out or on the do-not-send list, so it proves nothing"
    if not results:
        return "none of its messages has a result, so it proves nothing"
    return verdict(bad, results, limit)


def watch(connection: Connection, account_id: int) -> None:
    """Let canaries pass or pause their campaign, and pause running campaigns whose recent reject rate is too high."""
    for row in connection.execute(query("canaries_done"), {"account_id": account_id}).all():
        why = canary_verdict(row.bad, row.results, row.max_reject_rate, posted=row.posted)
        if why is None:
            connection.execute(query("pass_canary"), {"campaign_id": row.id})
            log.info("canary_passed campaign=%s bad=%s results=%s", row.id, row.bad, row.results)
        else:
            _pause(connection, row.id, f"canary: {why}")
    recent = {"account_id": account_id, "chunks": RECENT_CHUNKS, "enough": ENOUGH_RESULTS, "most": ENOUGH_RESULTS}
    for row in connection.execute(query("recent_results"), recent).all():
        if row.results >= ENOUGH_RESULTS and (why := verdict(row.bad, row.results, row.max_reject_rate)):
            _pause(
                connection, row.id, f"rejected messages: {why} in the last {row.chunks} chunk{'s' * (row.chunks != 1)}"
            )


def _pause(connection: Connection, campaign_id: int, why: str) -> None:
    paused = {"campaign_id": campaign_id, "reason": why, "by_watch": True}
    if connection.execute(query("pause_campaign"), paused).first():
        audit_trail.record(connection, "campaign.pause", campaign_id, reason=why)
        campaign_events.moved(connection, EventType.CAMPAIGN_PAUSED, [campaign_id])
        campaign_events.needs_decision(connection, [campaign_id], why)
    log.warning("paused campaign=%s why=%s", campaign_id, why)
