"""Endpoints: where other services want to be told of events. Every change is in the audit trail.

An endpoint's secret is shown once, when it is made or rotated.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from dispatcher import audit_trail
from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.webhooks import addresses, disabling, signing
from dispatcher.webhooks.event_types import EventType
from schemas import tables

OVERLAP = timedelta(hours=24)
"""How long the former secret signs too, after a new one was drawn."""
LISTENS = timedelta(seconds=30)
"""How long a terminal listens without a sign of life."""
MOST = 100
"""Endpoints at the same time: each event has a row for every one that wants it."""

_webhook = tables.webhook


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint without its secret. `number` is the database's own, `webhook_id` what others name it by."""

    number: int
    webhook_id: str
    url: str
    events: tuple[str, ...]
    state: str  # active, disabled
    disabled_at: datetime | None
    disabled_why: str | None  # operator; gone (it answered 410); failures (five days without a success)
    failures: int  # in a row
    failing_since: datetime | None
    succeeded_at: datetime | None  # the last time
    former_secret_until: datetime | None  # while a secret is rotated
    created_at: datetime
    created_by: str


class NoWebhook(UsageError):
    """There is no such endpoint."""


class NotActive(UsageError):
    """The endpoint is disabled."""

    state = "disabled"
    allowed = ("active",)


def create(
    connection: Connection, settings: Settings, url: str, events: Iterable[EventType], *, listens: bool = False
) -> tuple[Webhook, str]:
    """Make an endpoint. Returns it and its secret, which nothing shows again.

    Raises:
        UsageError: its address cannot be called, it wants no event, or there are too many endpoints.
    """
    if not listens:
        addresses.check(url, settings.webhook_networks)
    wanted = _wanted(events)
    there = select(func.count()).select_from(_webhook).where(_webhook.c.state != "deleted")
    if connection.execute(there).scalar_one() >= MOST:
        raise UsageError(
            worded("There are {n} webhooks already.", n=MOST),
            hint=translated("Delete one that nobody needs any more."),
        )
    secret = signing.new_secret()
    new = insert(_webhook).values(
        public_id=f"wh_{secrets.token_hex(12)}",
        url=url,
        events=wanted,
        secret=secret,
        created_by=str(audit_trail.current()),
        listens_until=func.clock_timestamp() + LISTENS if listens else None,
    )
    row = connection.execute(new.returning(_webhook)).one()
    detail = {"webhook_id": row.public_id, "host": addresses.host(url), "events": wanted}
    audit_trail.record(connection, "webhook.create", detail=detail)
    return _of(row), secret


def listing(connection: Connection, limit: int, before: int | None = None) -> list[Webhook]:
    """Endpoints, the newest first; `before` is the number of the last one that is known."""
    chosen = select(_webhook).where(_webhook.c.state != "deleted").order_by(_webhook.c.id.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(_webhook.c.id < before)
    return [_of(row) for row in connection.execute(chosen)]


def find(connection: Connection, webhook_id: str) -> Webhook:
    """One endpoint.

    Raises:
        NoWebhook: there is none.
    """
    wanted = (_webhook.c.public_id == webhook_id, _webhook.c.state != "deleted")
    row = connection.execute(select(_webhook).where(*wanted)).first()
    if row is None:
        raise NoWebhook(
            worded("There is no webhook {webhook_id}.", webhook_id=webhook_id[:60]),
            hint=translated("`dispatcher webhook list` shows them."),
        )
    return _of(row)


def change(
    connection: Connection,
    settings: Settings,
    webhook_id: str,
    *,
    url: str | None = None,
    events: Sequence[EventType] | None = None,
) -> Webhook:
    """Give an endpoint another address, or other events from now on.

    Raises:
        NoWebhook: there is none.
        UsageError: its address cannot be called, or it wants no event.
    """
    found = find(connection, webhook_id)
    new: dict[str, Any] = {}
    if url is not None:
        addresses.check(url, settings.webhook_networks)
        new["url"] = url
    if events is not None:
        new["events"] = _wanted(events)
    if new:
        connection.execute(update(_webhook).where(_webhook.c.id == found.number).values(new))
        told = {"events": new.get("events"), "host": addresses.host(url) if url is not None else None}
        detail = {"webhook_id": webhook_id, **{name: value for name, value in told.items() if value is not None}}
        audit_trail.record(connection, "webhook.change", detail=detail)
    return find(connection, webhook_id)


def rotate(connection: Connection, webhook_id: str) -> tuple[Webhook, str]:
    """Draw a new secret. For a day both sign, so that the receiver can change over without missing anything."""
    found = find(connection, webhook_id)
    secret = signing.new_secret()
    drawn = {
        "former_secret": _webhook.c.secret,
        "former_until": func.clock_timestamp() + OVERLAP,
        "secret": secret,
    }
    connection.execute(update(_webhook).where(_webhook.c.id == found.number).values(drawn))
    audit_trail.record(connection, "webhook.rotate", detail={"webhook_id": webhook_id})
    return find(connection, webhook_id), secret


def disable(connection: Connection, webhook_id: str, reason: str | None = None) -> Webhook:
    """Call an endpoint no more; one that is disabled stays as it is."""
    found = find(connection, webhook_id)
    disabling.disable(connection, found.number, "operator", reason)
    return find(connection, webhook_id)


def enable(connection: Connection, webhook_id: str) -> Webhook:
    """Call an endpoint again; what waited for it goes out now, and what was given up since it failed."""
    found = find(connection, webhook_id)
    opened = {"state": "active", "disabled_at": None, "disabled_why": None, "failures": 0}
    closed = update(_webhook).where(_webhook.c.id == found.number, _webhook.c.state == "disabled")
    if connection.execute(closed.values(**opened, failing_since=None, retry_at=None)).rowcount:
        connection.execute(query("wake_deliveries"), {"webhook_id": found.number})
        if found.failing_since is not None:
            given_up = {"webhook_id": found.number, "since": found.failing_since}
            connection.execute(query("revive_deliveries"), given_up)
        audit_trail.record(connection, "webhook.enable", detail={"webhook_id": webhook_id})
    return find(connection, webhook_id)


def delete(connection: Connection, webhook_id: str) -> None:
    """Forget an endpoint, its secret and what waits for it."""
    found = find(connection, webhook_id)
    gone = {"state": "deleted", "secret": "", "former_secret": None, "former_until": None}
    ended = update(_webhook).where(_webhook.c.id == found.number)
    connection.execute(ended.values(**gone, disabled_at=None, disabled_why=None, url=""))
    audit_trail.record(connection, "webhook.delete", detail={"webhook_id": webhook_id})


def _wanted(events: Iterable[EventType]) -> list[str]:
    wanted = sorted({str(event) for event in events})
    if not wanted:
        raise UsageError(
            translated("A webhook needs at least one event."),
            hint=worded("For example {event}.", event=str(EventType.CAMPAIGN_COMPLETED)),
        )
    return wanted


def _of(row: Any) -> Webhook:
    return Webhook(
        number=row.id,
        webhook_id=row.public_id,
        url=row.url,
        events=tuple(row.events),
        state=row.state,
        disabled_at=row.disabled_at,
        disabled_why=row.disabled_why,
        failures=row.failures,
        failing_since=row.failing_since,
        succeeded_at=row.succeeded_at,
        former_secret_until=row.former_until,
        created_at=row.created_at,
        created_by=row.created_by,
    )
