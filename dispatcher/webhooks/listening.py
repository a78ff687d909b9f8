"""A terminal that listens: an endpoint for as long as it is open, whose deliveries its own process takes.

No address is called, so it works behind any firewall. A terminal that is gone is forgotten after half a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, func, update

from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.webhooks import delivering, endpoints
from dispatcher.webhooks.calls import Answer
from dispatcher.webhooks.delivering import Claim
from dispatcher.webhooks.endpoints import Webhook
from dispatcher.webhooks.event_types import EventType
from schemas import tables

_RENEWED = 5.0  # seconds between two signs of life
_PAUSE = 0.3

_webhook = tables.webhook


@contextmanager
def endpoint(engine: Engine, settings: Settings, events: list[EventType]) -> Iterator[tuple[Webhook, str]]:
    """An endpoint and its secret for the length of a block."""
    with engine.begin() as connection:
        made, secret = endpoints.create(connection, settings, "terminal", events, listens=True)
    try:
        yield made, secret
    finally:
        with engine.begin() as connection:
            endpoints.delete(connection, made.webhook_id)


def listen(engine: Engine, webhook: Webhook, take: Callable[[Claim], Answer]) -> None:
    """Hand each delivery to `take`, in order, until somebody interrupts; what it raises ends it."""
    renewed = 0.0
    while True:
        if time.monotonic() - renewed > _RENEWED:
            _renew(engine, webhook)
            renewed = time.monotonic()
        claim = delivering.claim_next(engine, webhook.number)
        if claim is None:
            time.sleep(_PAUSE)
            continue
        answer = take(claim)
        with engine.begin() as connection:
            delivering.succeeded(connection, claim, answer)


def _renew(engine: Engine, webhook: Webhook) -> None:
    with engine.begin() as connection:
        alive = update(_webhook).where(_webhook.c.id == webhook.number)
        connection.execute(alive.values(listens_until=func.clock_timestamp() + endpoints.LISTENS))


def forget_gone(engine: Engine) -> None:
    """Forget terminals that gave no sign of life; nothing is written for them any more."""
    with engine.begin() as connection:
        connection.execute(query("forget_terminals"))
