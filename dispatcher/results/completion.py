"""When a campaign is completed: by the transaction that settles its last message, or by the next tick."""

import logging

from sqlalchemy import Connection, case, func, select

from dispatcher.db.certain import log_at_commit
from dispatcher.db.statements import query
from dispatcher.webhooks import campaign_events
from dispatcher.webhooks.event_types import EventType
from schemas import tables

log = logging.getLogger(__name__)


def complete(connection: Connection, account_id: int) -> list[int]:
    """Complete the campaigns whose chunks are all final. Returns their ids."""
    ids = list(connection.execute(query("lock_complete"), {"account_id": account_id}).scalars())
    done = list(connection.execute(query("complete_campaigns"), {"ids": ids}).scalars()) if ids else []
    for campaign_id in done:
        _log(connection, campaign_id)
    campaign_events.moved(connection, EventType.CAMPAIGN_COMPLETED, done)
    return done


def _log(connection: Connection, campaign_id: int) -> None:
    """One line with its counts; `other` had no result: suppressed, cancelled, expired or unknown."""
    campaign, result = tables.campaign, tables.chunk_result
    messages = connection.execute(select(campaign.c.messages).where(campaign.c.id == campaign_id)).scalar_one()
    of_kind = [
        func.coalesce(func.sum(case((which, result.c.n), else_=0)), 0)
        for which in (result.c.code == 0, result.c.code == 1, result.c.code < 0)
    ]
    ok, simulated, rejected = connection.execute(select(*of_kind).where(result.c.campaign_id == campaign_id)).one()
    other = messages - ok - simulated - rejected
    line = "completed campaign=%s messages=%s ok=%s simulated=%s rejected=%s other=%s"
    log_at_commit(connection, log, line, campaign_id, messages, ok, simulated, rejected, other)
