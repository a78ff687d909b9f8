"""A database that is older than what was posted: a restored dump, or a failover that lost commits.

Witnesses outside Postgres notice it (`dispatcher.posted_marks`, and results for lines that were never posted).
The account then stops before its next claim: what was sent since is unknown, and sending it again would reach people
twice.
"""

import logging

from sqlalchemy import Engine

from dispatcher.db.statements import query
from dispatcher.db.transactions import retry_deadlocks
from dispatcher.webhooks import campaign_events, outbox
from dispatcher.webhooks.event_types import EventType

log = logging.getLogger(__name__)

HINT = "Nothing more is sent from it. Run `dispatcher db restored`, then decide what is held."


def stop(engine: Engine, account_id: int, why: str) -> bool:
    """Stop an account and hold what is unfinished; results go on to settle it. Whether this call stopped it."""
    words = f"The database is older than what was posted ({why}). {HINT}"

    def transaction() -> bool:
        with engine.begin() as connection:
            stopped = connection.execute(
                query("stop_stale_account"), {"account_id": account_id, "words": words}
            ).first()
            if stopped is None:
                return False
            moved = connection.execute(query("hold_unfinished"), {"account_id": account_id}).all()
            held = sorted({row.campaign_id for row in moved if row.state == "held"})
            campaign_events.needs_decision(connection, held, "messages are held: the database is too old")
            outbox.tell(connection, EventType.ACCOUNT_BLOCKED, account_id=account_id, why=words)
            return True

    if not retry_deadlocks(transaction):
        return False
    log.error("account_stopped account=%s reason=stale_database why=%r", account_id, why)
    return True
