"""Events of campaigns. Each has the campaign as it is then: id, name, state, messages, tags, a link.

Call these after the campaign's row was changed or locked: its events are then in the order in which things happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, exists, select

from dispatcher.webhooks import outbox
from dispatcher.webhooks.event_types import EventType
from schemas import tables

_campaign, _webhook = tables.campaign, tables.webhook
_SHOWN = [_campaign.c[name] for name in ("id", "name", "state", "reason", "messages", "invalid", "tags", "test")]


def created(connection: Connection, campaign_id: int) -> None:
    """A campaign was loaded; one that had nothing to send is complete at once."""
    moved(connection, EventType.CAMPAIGN_CREATED, [campaign_id])


def moved(connection: Connection, kind: EventType, campaigns: Sequence[int], **more: Any) -> None:
    """Something happened to campaigns."""
    if not campaigns:
        return
    wanted = exists().where(_webhook.c.events.contains([str(kind)]), _webhook.c.state != "deleted")
    rows = connection.execute(select(*_SHOWN).where(_campaign.c.id.in_(campaigns), wanted).order_by(_campaign.c.id))
    outbox.tell_all(connection, kind, [(row.id, {**_shown(row), **more}) for row in rows])


def needs_decision(connection: Connection, campaigns: Sequence[int], why: str) -> None:
    """Nothing goes on in these campaigns, or in a part of them, before somebody decides."""
    moved(connection, EventType.CAMPAIGN_NEEDS_DECISION, campaigns, why=why)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "name": row.name,
        "state": row.state,
        "reason": row.reason,
        "messages": row.messages,
        "invalid": row.invalid,
        "test": row.test,
        "tags": row.tags,
        "link": f"/api/v1/campaigns/{row.id}",
    }
