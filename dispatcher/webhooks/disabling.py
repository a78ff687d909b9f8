"""An endpoint that is called no more: because somebody says so, it is gone, or it has failed for days.

What it would be told of waits, and goes out when it is enabled again, unless that comes too late.
"""

from __future__ import annotations

import logging
from typing import Literal

from sqlalchemy import Connection, func, update

from dispatcher import audit_trail
from dispatcher.webhooks import outbox
from dispatcher.webhooks.event_types import EventType
from schemas import tables

log = logging.getLogger(__name__)

DAYS = 5
"""So long without a success disables an endpoint that fails."""

Why = Literal["operator", "gone", "failures"]


def disable(connection: Connection, webhook_id: int, why: Why, reason: str | None = None) -> bool:
    """Call an endpoint no more, until it is enabled again. Whether it was active before."""
    webhook = tables.webhook
    active = update(webhook).where(webhook.c.id == webhook_id, webhook.c.state == "active")
    ended = active.values(state="disabled", disabled_at=func.clock_timestamp(), disabled_why=why)
    public_id = connection.execute(ended.returning(webhook.c.public_id)).scalar()
    if public_id is None:
        return False
    audit_trail.record(connection, "webhook.disable", reason=reason, detail={"webhook_id": public_id, "why": why})
    outbox.tell(connection, EventType.WEBHOOK_DISABLED, webhook_id=public_id, why=why)
    log.warning("webhook_disabled webhook=%s why=%s", public_id, why)
    return True
