"""The body of an event: `{"type", "timestamp", "data"}`. It holds ids, and no number or text of a person.

That of `message.results` is written before its first attempt, from the messages as they are then. What has no room is
behind a link.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

from dispatcher.db.statements import query
from dispatcher.db.transactions import pin_key_lookups
from dispatcher.domain.window import provider_local
from dispatcher.webhooks.event_types import EventType

MOST_BYTES = 20_000
_ROOM = 19_000  # for the messages of one body; the rest is for what is around them


def of(connection: Connection, event: Any) -> str:
    """The body of a claimed delivery's event (columns type, at, campaign_id, data)."""
    data = dict(event.data)
    if event.type == EventType.MESSAGE_RESULTS:
        data = _results(connection, event.campaign_id, data)
    return json.dumps(
        {"type": event.type, "timestamp": event.at.isoformat(), "data": data}, ensure_ascii=False, separators=(",", ":")
    )


def _results(connection: Connection, campaign_id: int, told: dict[str, Any]) -> dict[str, Any]:
    pin_key_lookups(connection)
    rows = connection.execute(query("told_messages"), {"campaign_id": campaign_id, "seqs": told["seqs"]}).all()
    shown, last, size = [], told["first_seq"] - 1, 0
    complete = told["count"] <= len(told["seqs"])
    for row in rows:
        message = {
            "seq": row.seq,
            "idinterno": row.idinterno,
            "external_id": row.external_id,
            "status": row.status,
            "code": row.result_code,
            "fecha": provider_local(row.processed_at).isoformat() if row.processed_at else None,
        }
        size += len(json.dumps(message, ensure_ascii=False).encode())
        if size > _ROOM:
            complete = False
            break
        shown.append(message)
        last = row.seq
    where = f"/api/v1/campaigns/{campaign_id}/messages?first_seq={last + 1}&last_seq={told['last_seq']}"
    return {
        "campaign_id": campaign_id,
        "count": told["count"],
        "messages": shown,
        "more": None if complete else where,
    }
