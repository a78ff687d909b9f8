"""Campaigns that other services hand in: one campaign a key, whole or not at all, finished after a crash.

The payload is stored first: from then on the database knows the request, whatever happens to the task that brought it.
The load and the new state of the request commit together. A lease keeps ten calls from loading ten times.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Text, and_, cast, func, literal, null, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from dispatcher.accounts import account_info
from dispatcher.campaigns import loading, request_lease
from dispatcher.campaigns.request_lease import Lease, LeaseLost
from dispatcher.campaigns.request_payload import (
    UNSTORABLE,
    explain,
    key_of,
    list_file,
    payload_hash,
    raw_hash,
    storable_json,
)
from dispatcher.config import Settings
from dispatcher.db import outage
from dispatcher.db.outage import storable
from dispatcher.errors import UsageError
from dispatcher.ingest import from_recipients, open_source
from schemas import tables
from schemas.payload import CampaignPayload

log = logging.getLogger(__name__)

MAX_TRIES = 3
_ABANDONED_AFTER = timedelta(seconds=5)
_UNUSED = ("refused", "failed")
"""No campaign came of a request in these states, so that its key may be used again."""

_request = tables.campaign_request


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a payload.

    `state` is that of its `campaign_request` (`received`: another process is loading it right now), or
    `other_payload` when another payload came under the same key before. Only `created` has a campaign; all states
    but `created` and `received` have an `error`.
    """

    state: Literal["received", "created", "refused", "failed", "other_payload"]
    campaign_id: int | None = None
    error: str | None = None


_OTHER_PAYLOAD = Outcome("other_payload", error="another payload came with this idempotency_key: use a new one")


def receive(engine: Engine, settings: Settings, raw: Any) -> Outcome:
    """Store a payload and load it; `campaign_request` keeps the outcome.

    Raises:
        SQLAlchemyError, psycopg.Error: the payload cannot be stored or loaded now, or its outcome cannot be read. The
            same payload under the same key may come again.
    """
    try:
        payload = CampaignPayload.model_validate(raw)
        stored = storable_json(payload)
        digest = payload_hash(payload, settings)
    except UNSTORABLE as error:
        return _refuse(engine, raw, explain(error))
    key = payload.idempotency_key
    try:
        with engine.begin() as connection:
            state = _store(connection, key, digest, stored)
    except outage.ERRORS as error:
        if not outage.lasts(error):
            raise
        return _refuse(engine, raw, f"the payload cannot be stored: {type(error).__name__}")
    if state == "other_payload":
        return _OTHER_PAYLOAD
    if state != "created":
        try:
            load_request(engine, settings, key)
        except outage.ERRORS as error:
            # The payload is stored, so the tick has it loaded once the database is well again. The caller is told that
            # it is not loaded yet, and may send the same again.
            log.warning("loading_waits key=%s why=%s", key, type(error).__name__)
            raise
    return _outcome(engine, key, digest)


def _store(connection: Connection, key: str, digest: str, stored: str) -> str:
    """Store a payload under its key. Returns the state of the request, or `other_payload`."""
    given = {"payload_hash": digest, "payload": cast(literal(stored, Text), JSONB), "state": "received"}
    new = insert(_request).values(idempotency_key=key, **given).on_conflict_do_nothing()
    connection.execute(new)
    known = connection.execute(
        select(_request.c.payload_hash, _request.c.state).where(_request.c.idempotency_key == key)
    ).one()
    if known.state in _UNUSED:
        again = update(_request).where(_request.c.idempotency_key == key, _request.c.state.in_(_UNUSED))
        connection.execute(again.values(**given, error=None, tries=0, updated_at=func.now()))
        return "received"
    if known.payload_hash != digest:
        _note_other_payload(connection, key)
        log.warning("refused_other_payload key=%s", key)
        return "other_payload"
    return str(known.state)


def _outcome(engine: Engine, key: str, digest: str) -> Outcome:
    known = select(_request.c.payload_hash, _request.c.state, _request.c.campaign_id, _request.c.error)
    with engine.connect() as connection:
        row = connection.execute(known.where(_request.c.idempotency_key == key)).one()
    if row.payload_hash != digest:  # this one was refused, and a corrected payload took over its key
        return _OTHER_PAYLOAD
    # The error of a created request says that another payload was refused: it is not about this one.
    return Outcome(row.state, row.campaign_id, None if row.state == "created" else row.error)


def pending(engine: Engine) -> list[str]:
    """The keys of requests that were stored and that nobody has been loading for a while: their worker died."""
    abandoned = and_(request_lease.is_free(), _request.c.updated_at < func.now() - _ABANDONED_AFTER)
    keys = select(_request.c.idempotency_key).where(_request.c.state == "received", abandoned)
    with engine.connect() as connection:
        return list(connection.execute(keys.order_by(_request.c.created_at).limit(10)).scalars())


def load_request(engine: Engine, settings: Settings, key: str) -> int | None:
    """Load a stored payload. Returns the campaign's number; None when it was refused, or another process loads it."""
    lease = Lease.take(engine, key)
    if lease is None:
        with engine.connect() as connection:
            loaded = select(_request.c.campaign_id).where(_request.c.idempotency_key == key)
            return connection.execute(loaded).scalar()
    if lease.row.tries > MAX_TRIES:
        _end(engine, lease, "failed", f"loading was cut off {MAX_TRIES} times: see the log of the worker")
        return None
    try:
        with lease.renewed(), engine.connect() as connection:
            campaign_id = _load(connection, settings, lease)
            connection.commit()
            return campaign_id
    except (UsageError, ValidationError, RecursionError) as error:
        _end(engine, lease, "refused", explain(error))
    except LeaseLost as error:
        log.warning("request_lost key=%s why=%s", key, error)
    except outage.ERRORS as error:
        if not outage.lasts(error):
            lease.give_up(counts=False)
            raise
        _end(engine, lease, "refused", f"the list cannot be stored: {type(error).__name__}")
    except Exception:
        lease.give_up(counts=True)
        raise
    return None


def _load(connection: Connection, settings: Settings, lease: Lease) -> int:
    """Load the campaign and record it in its request, in the caller's transaction.

    Raises:
        LeaseLost: another process has taken over, so nothing of this may be committed.
    """
    row = lease.row
    payload = CampaignPayload.model_validate(row.payload)
    spec = payload.spec()
    # The provider is asked before the first statement below opens a transaction.
    info = account_info.fetch_for_campaign(settings, required=True) if payload.require_balance else None
    if payload.recipients is not None:
        source = from_recipients(payload.recipients)
        spec = spec.model_copy(update={"name": spec.name or lease.key})
    else:
        if payload_hash(payload, settings) != row.payload_hash:
            raise UsageError(
                f"file {payload.file!r} changed after the request was received.",
                hint="Send the request again under a new idempotency_key.",
            )
        source = open_source(list_file(settings, payload.file or ""))
    with source:
        loaded = loading.load(connection, settings, spec, source, info=info)
    # From here on the request's row is locked: a process that stands still now must not keep it from others for long.
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout TO DEFAULT")
    created = update(_request).where(lease.is_held).values(state="created", campaign_id=loaded.campaign_id)
    created = created.values(payload=null(), error=None, holder=None, lease_until=None, updated_at=func.now())
    if connection.execute(created).rowcount == 0:
        raise LeaseLost
    return loaded.campaign_id


def _end(engine: Engine, lease: Lease, state: str, error: str) -> None:
    ended = update(_request).where(lease.is_held).values(state=state, error=storable(error), payload=null())
    with engine.begin() as connection:
        connection.execute(ended.values(holder=None, lease_until=None, updated_at=func.now()))
    log.warning("request_%s key=%s error=%s", state, lease.key, error)


def _note_other_payload(connection: Connection, key: str) -> None:
    at = func.to_char(func.now(), "YYYY-MM-DD HH24:MI:SS")
    note = func.concat("another payload came with this idempotency_key at ", at, " UTC and was refused")
    connection.execute(
        update(_request).where(_request.c.idempotency_key == key).values(error=note, updated_at=func.now())
    )


def _refuse(engine: Engine, raw: Any, error: str) -> Outcome:
    """Record a refusal where the caller looks for it; without a key only the log has it."""
    key, error = key_of(raw), storable(error)
    log.warning("request_refused key=%s error=%s", key or None, error)
    if not key:
        return Outcome("refused", error=error)
    new = insert(_request).values(idempotency_key=key, payload_hash=raw_hash(raw), state="refused", error=error)
    refused = new.on_conflict_do_update(
        index_elements=["idempotency_key"],
        set_={"error": new.excluded.error, "payload_hash": new.excluded.payload_hash, "updated_at": func.now()},
        where=_request.c.state.in_(_UNUSED),
    )
    with engine.begin() as connection:
        if connection.execute(refused.returning(_request.c.state)).first() is None:
            _note_other_payload(connection, key)
    return Outcome("refused", error=error)
