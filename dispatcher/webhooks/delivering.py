"""Delivering: claim a delivery and commit that, call its endpoint outside any transaction, record what became of it.

At least once: a worker that dies in between leaves a lease, and the call is made again.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine

from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.errors import UsageError
from dispatcher.provider.transport import tls_context
from dispatcher.runtime import Runtime
from dispatcher.webhooks import addresses, bodies, calls, disabling, retries, signing
from dispatcher.webhooks.calls import Answer, CallFailed

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Calls to one endpoint at the same time."""
LEASE = calls.SECONDS + 30.0
_TURN = 5.0
"""Seconds after which a task leaves its place to other endpoints."""
_GONE = 410


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this process makes, and no other before the lease is over."""

    webhook_id: int
    delivery_id: int
    attempt: int
    event_id: str
    type: str
    url: str
    keys: tuple[str, ...]
    body: bytes


def deliver(runtime: Runtime, webhook_id: int) -> bool:
    """Deliver what is due to an endpoint, one after the other, for some seconds. Whether there may be more."""
    ends = time.monotonic() + _TURN
    while time.monotonic() < ends:
        claim = claim_next(runtime.engine, webhook_id)
        if claim is None:
            return False
        _attempt(runtime, claim)
    return True


def claim_next(engine: Engine, webhook_id: int) -> Claim | None:
    """Claim the next delivery of an endpoint and commit that; None when there is none, or no place for one."""
    with engine.begin() as connection:
        webhook = connection.execute(query("lock_webhook"), {"webhook_id": webhook_id}).first()
        if webhook is None:
            return None
        places = 1 if webhook.failures >= retries.FAILING else AT_ONCE
        wanted = {"webhook_id": webhook_id, "lease": LEASE, "places": places}
        row = connection.execute(query("claim_delivery"), wanted).first()
        if row is None:
            return None
        body = row.body
        if body is None:
            written = {"event_id": row.event_id, "body": bodies.of(connection, row)}
            body = connection.execute(query("keep_body"), written).scalar_one()
    former = (webhook.former_secret,) if webhook.former_valid else ()
    return Claim(
        webhook_id=webhook_id,
        delivery_id=row.id,
        attempt=row.attempt,
        event_id=row.public_id,
        type=row.type,
        url=webhook.url,
        keys=(webhook.secret, *former),
        body=str(body).encode(),
    )


def headers(claim: Claim) -> dict[str, str]:
    """The headers of this attempt."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "sms-dispatcher-webhooks/1",
        **signing.headers(claim.event_id, int(time.time()), claim.body, claim.keys),
    }


def _attempt(runtime: Runtime, claim: Claim) -> None:
    answer: Answer | None = None
    try:
        answer = _call(runtime.settings, claim)
        error = None if 200 <= answer.status < 300 else _not_good(answer.status)
    except (CallFailed, UsageError) as failure:
        error = str(failure)
    with runtime.engine.begin() as connection:
        if answer is not None and error is None:
            succeeded(connection, claim, answer)
        else:
            _missed(connection, claim, answer, str(error))


def _call(settings: Settings, claim: Claim) -> Answer:
    target = addresses.parse(claim.url)
    context = trusting(str(settings.ca_bundle) if settings.ca_bundle else None)
    return calls.post(target, headers(claim), claim.body, context=context, allowed=settings.webhook_networks)


@lru_cache(maxsize=1)
def trusting(ca_bundle: str | None) -> ssl.SSLContext:
    """A context that verifies certificates; its file is read once."""
    return tls_context(ca_bundle)


def _not_good(status: int) -> str:
    if 300 <= status < 400:
        return f"it answered {status}, and redirects are not followed"
    return f"it answered {status}"


def succeeded(connection: Connection, claim: Claim, answer: Answer) -> None:
    """The receiver has it."""
    done = {"delivery_id": claim.delivery_id, "status": answer.status, "answer": answer.text}
    connection.execute(query("delivery_done"), done)
    before = connection.execute(query("webhook_answered"), {"webhook_id": claim.webhook_id}).scalar()
    if before is not None and before >= retries.FAILING:
        connection.execute(query("wake_deliveries"), {"webhook_id": claim.webhook_id})
    log.info("webhook_delivered delivery=%s type=%s attempt=%s", claim.delivery_id, claim.type, claim.attempt)


def _missed(connection: Connection, claim: Claim, answer: Answer | None, error: str) -> None:
    asked = retries.retry_after(answer.retry_after, datetime.now(UTC)) if answer is not None else 0.0
    outcome: dict[str, Any] = {
        "delivery_id": claim.delivery_id,
        "attempt": claim.attempt,
        "wait": retries.wait(claim.attempt, asked, random.random()),
        "status": answer.status if answer is not None else None,
        "answer": answer.text if answer is not None else None,
        "error": error,
    }
    if connection.execute(query("delivery_missed"), outcome).first() is None:
        return  # another attempt has taken over
    log.warning("webhook_missed delivery=%s attempt=%s why=%s", claim.delivery_id, claim.attempt, error)
    if answer is not None and answer.status == _GONE:
        disabling.disable(connection, claim.webhook_id, "gone", "it answered 410 Gone")
        return
    failing = connection.execute(
        query("webhook_missed"), {"webhook_id": claim.webhook_id, "days": disabling.DAYS}
    ).first()
    if failing is None:
        return
    if failing.over:
        why = f"no success in {disabling.DAYS} days; the last time {error}"
        disabling.disable(connection, claim.webhook_id, "failures", why)
    elif pause := retries.pause(failing.failures, asked):
        connection.execute(query("pause_webhook"), {"webhook_id": claim.webhook_id, "wait": pause})


def rescue(connection: Connection) -> Sequence[int]:
    """Make calls whose worker is gone due again. Returns the deliveries."""
    return connection.execute(query("rescue_deliveries"), {"lease": LEASE}).scalars().all()


def due(connection: Connection) -> list[tuple[int, int]]:
    """Endpoints with something to deliver, each with how many calls more it may get now."""
    found = connection.execute(query("webhooks_due"), {"failing": retries.FAILING, "at_once": AT_ONCE})
    return [(row.id, row.places) for row in found if row.places > 0]
