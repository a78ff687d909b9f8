"""When a campaign is completed: by the transaction that settles its last message, or by the next tick."""

import logging

from sqlalchemy import Connection

from dispatcher.db.statements import query
from dispatcher.webhooks import campaign_events
from dispatcher.webhooks.event_types import EventType

log = logging.getLogger(__name__)


def complete(connection: Connection, account_id: int) -> list[int]:
    """Complete the campaigns whose chunks are all final. Returns their ids."""
    ids = list(connection.execute(query("lock_complete"), {"account_id": account_id}).scalars())
    done = list(connection.execute(query("complete_campaigns"), {"ids": ids}).scalars()) if ids else []
    for campaign_id in done:
        log.info("completed campaign=%s", campaign_id)
    campaign_events.moved(connection, EventType.CAMPAIGN_COMPLETED, done)
    return done
