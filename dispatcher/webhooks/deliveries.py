"""What became of deliveries, and sending them once more. They are kept for thirty days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from dispatcher import audit_trail
from dispatcher.db.statements import query
from dispatcher.db.storable import storable_json
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.webhooks import endpoints
from dispatcher.webhooks.endpoints import NotActive
from dispatcher.webhooks.event_types import EventType
from schemas import tables
from schemas.states import DeliveryState

KEPT_DAYS = 30
_MOST_AT_ONCE = 500  # rows that one round deletes

STATES = tuple(str(state) for state in DeliveryState)

_delivery, _event = tables.webhook_delivery, tables.webhook_event


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint. `event_id` is the header `webhook-id`."""

    delivery_id: int
    event_id: str
    type: str
    campaign_id: int | None
    state: str  # due, sending, delivered, failed (no attempt is left)
    attempts: int
    status: int | None  # of HTTP, of the last attempt
    answer: str | None  # the first 500 characters of it
    error: str | None
    created_at: datetime
    tried_at: datetime | None
    next_at: datetime | None  # of the next attempt
    finished_at: datetime | None


class NoDelivery(UsageError):
    """There is no such delivery."""


def listing(
    connection: Connection, webhook_id: str, limit: int, *, state: str | None = None, before: int | None = None
) -> list[Delivery]:
    """Deliveries of an endpoint, the newest first; `before` is the id of the last one that is known."""
    found = endpoints.find(connection, webhook_id)
    chosen = _deliveries().where(_delivery.c.webhook_id == found.number)
    if state is not None:
        chosen = chosen.where(_delivery.c.state == state)
    if before is not None:
        chosen = chosen.where(_delivery.c.id < before)
    return [_of(row) for row in connection.execute(chosen.order_by(_delivery.c.id.desc()).limit(limit))]


def find(connection: Connection, webhook_id: str, delivery_id: int) -> Delivery:
    """One delivery.

    Raises:
        NoDelivery: the endpoint has no such delivery.
    """
    found = endpoints.find(connection, webhook_id)
    wanted = (_delivery.c.webhook_id == found.number, _delivery.c.id == delivery_id)
    row = connection.execute(_deliveries().where(*wanted)).first()
    if row is None:
        raise NoDelivery(worded("The webhook has no delivery {delivery_id}.", delivery_id=delivery_id))
    return _of(row)


def test(connection: Connection, webhook_id: str) -> Delivery:
    """Send an endpoint a `ping`.

    Raises:
        NotActive: it is disabled.
    """
    found = endpoints.find(connection, webhook_id)
    if found.state != "active":
        raise NotActive(translated("The webhook is disabled."), hint=translated("Enable it first."))
    told = {"webhook_id": found.number, "type": str(EventType.PING), "data": storable_json({"webhook_id": webhook_id})}
    delivery_id = connection.execute(query("tell_one_endpoint"), told).scalar_one()
    audit_trail.record(connection, "webhook.test", detail={"webhook_id": webhook_id})
    return find(connection, webhook_id, delivery_id)


def replay(connection: Connection, webhook_id: str, delivery_id: int) -> int:
    """Send one delivery's event once more, as a new delivery. Returns how many were added: none if it waits already."""
    found = endpoints.find(connection, webhook_id)
    find(connection, webhook_id, delivery_id)
    again = {"webhook_id": found.number, "delivery_id": delivery_id}
    added: int = connection.execute(query("replay_delivery"), again).rowcount
    audit_trail.record(connection, "webhook.replay", detail={"webhook_id": webhook_id, "delivery_id": delivery_id})
    return added


def replay_span(
    connection: Connection, webhook_id: str, since: datetime, until: datetime | None = None, *, missed_only: bool
) -> int:
    """Send the events of a span of time once more, in their order; those that the endpoint wants now.

    Args:
        connection: its transaction's end lets them out.
        webhook_id: the endpoint.
        since: at this moment or later.
        until: before this moment; None = until now.
        missed_only: leave out what the endpoint has already.

    Returns:
        How many deliveries were added.
    """
    found = endpoints.find(connection, webhook_id)
    ends = until if until is not None else connection.execute(select(func.clock_timestamp())).scalar_one()
    span = {"webhook_id": found.number, "since": since, "until": ends, "missed_only": missed_only}
    added: int = connection.execute(query("replay_events"), span).rowcount
    detail = {"webhook_id": webhook_id, "since": since.isoformat(), "until": ends.isoformat(), "deliveries": added}
    audit_trail.record(connection, "webhook.replay", detail=detail)
    return added


def drop_old(engine: Engine) -> int:
    """Delete one round of what is kept no longer. Returns how many events."""
    with engine.begin() as connection:
        dropped: int = connection.execute(query("drop_old_events"), {"days": KEPT_DAYS, "most": _MOST_AT_ONCE}).rowcount
        connection.execute(query("drop_deleted_webhooks"), {"most": _MOST_AT_ONCE})
    return dropped


def _deliveries() -> Any:
    return select(_delivery, _event.c.public_id, _event.c.type).join(_event, _event.c.id == _delivery.c.event_id)


def _of(row: Any) -> Delivery:
    return Delivery(
        delivery_id=row.id,
        event_id=row.public_id,
        type=row.type,
        campaign_id=row.campaign_id,
        state=row.state,
        attempts=row.attempt,
        status=row.status,
        answer=row.answer,
        error=row.error,
        created_at=row.created_at,
        tried_at=row.tried_at,
        next_at=row.next_at if row.state == "due" else None,
        finished_at=row.finished_at,
    )
