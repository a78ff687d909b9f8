"""Takes in campaigns that other services hand in: one campaign a key, and another payload under the key is refused.

The payload is stored first: from then on the database knows the request, whatever happens to the task that brought it.
Then it is loaded (`request_loading.py`).
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, Text, cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from dispatcher import audit_trail
from dispatcher.campaigns import approval, request_list, request_loading
from dispatcher.campaigns.request_payload import (
    UNSTORABLE,
    explain,
    key_of,
    list_file,
    payload_hash,
    raw_hash,
)
from dispatcher.config import Settings
from dispatcher.db.errors import DRIVER_ERRORS, lasts
from dispatcher.db.storable import storable, storable_json
from dispatcher.uploads import reading, store
from dispatcher.uploads.store import Upload
from schemas import tables
from schemas.payload import CampaignPayload

log = logging.getLogger(__name__)

_UNUSED = ("refused", "failed")
"""No campaign came of a request in these states, so that its key may be used again."""

_LARGEST_ID = 2**63 - 1

_request = tables.campaign_request


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a payload.

    `state` is that of its `campaign_request` (`received`: another process is loading it right now, or its file has not
    been found yet), or `other_payload` when another payload came under the same key before. Only `created` has a
    campaign, though the number of a `received` one may be reserved; the others have an `error`.
    """

    state: Literal["received", "created", "refused", "failed", "other_payload"]
    campaign_id: int | None = None
    error: str | None = None


_OTHER_PAYLOAD = Outcome("other_payload", error="another payload came with this idempotency_key: use a new one")


def receive(engine: Engine, settings: Settings, raw: Any, *, load: bool = True) -> Outcome:
    """Store a payload and load it; `campaign_request` keeps the outcome.

    Without `load` a worker does that, and the outcome `received` has the number that the campaign will have.

    Raises:
        SQLAlchemyError, psycopg.Error: the payload cannot be stored or loaded now, or its outcome cannot be read. The
            same payload under the same key may come again.
    """
    try:
        payload = CampaignPayload.model_validate(raw)
        approval.require_draft(settings, draft=payload.draft, append_to=payload.append_to)
        stored = storable_json(payload.model_dump())
        digest = payload_hash(payload)
        if payload.file is not None:
            list_file(settings, payload.file)
        with engine.begin() as connection:
            known = _store(connection, payload, digest, stored, reserve=not load)
        other = known.is_other or (
            payload.file is not None
            and known.upload_id is not None
            and request_list.is_other(engine, settings, payload.file, known.upload_id)
        )
    except DRIVER_ERRORS as error:
        if not lasts(error):
            raise
        return refuse(engine, raw, f"the payload cannot be stored: {type(error).__name__}")
    except UNSTORABLE as error:
        return refuse(engine, raw, explain(error))
    key = payload.idempotency_key
    if other:
        with engine.begin() as connection:
            _note_other_payload(connection, key)
        log.warning("refused_other_payload key=%s", key)
        return _OTHER_PAYLOAD
    if known.state != "created" and load:
        try:
            request_loading.load_request(engine, settings, key)
        except DRIVER_ERRORS as error:
            # The payload is stored, so the tick has it loaded once the database is well again. The caller is told that
            # it is not loaded yet, and may send the same again.
            log.warning("loading_waits key=%s why=%s", key, type(error).__name__)
            raise
    return _outcome(engine, key, digest)


@dataclass(frozen=True, slots=True)
class _Known:
    """The request under a key: of an earlier payload, or of the one that was just stored."""

    state: str
    upload_id: int | None = None
    is_other: bool = False


def _store(connection: Connection, payload: CampaignPayload, digest: str, stored: str, *, reserve: bool) -> _Known:
    """Store a payload under its key, unless one is there.

    Raises:
        UsageError: the list that it names is not there.
    """
    key = payload.idempotency_key
    upload = request_list.given(connection, payload)
    row: dict[str, Any] = {
        "payload_hash": digest,
        "payload": cast(literal(stored, Text), JSONB),
        "state": "received",
        "upload_id": upload.id if upload else None,
        "file_awaited_since": func.now() if payload.file is not None else None,
        "created_by": str(audit_trail.current()),
    }
    if reserve and payload.append_to is None:
        row["reserved_id"] = func.nextval(func.pg_get_serial_sequence("campaign", "id"))
    new = insert(_request).values(idempotency_key=key, **row).on_conflict_do_nothing()
    is_new = connection.execute(new.returning(_request.c.state)).first() is not None
    chosen = select(_request.c.payload_hash, _request.c.state, _request.c.upload_id)
    known = connection.execute(chosen.where(_request.c.idempotency_key == key)).one()
    if known.state in _UNUSED:
        again = update(_request).where(_request.c.idempotency_key == key, _request.c.state.in_(_UNUSED))
        anew: dict[str, Any] = {"error": None, "tries": 0, "looked_at": None, "looked_on": [], "updated_at": func.now()}
        connection.execute(again.values(**row, **anew))
        is_new = True
    if is_new:
        if upload is not None and not store.use(connection, upload.id):
            raise reading.gone(upload.name)
        return _Known("received")
    same = known.payload_hash == digest and _same_list(connection, upload, known.upload_id)
    return _Known(str(known.state), known.upload_id, is_other=not same)


def _same_list(connection: Connection, upload: Upload | None, known_id: int | None) -> bool:
    """Whether a list that was named by its upload_id has the bytes of the one that the request has."""
    if upload is None or known_id is None or upload.id == known_id:
        return True
    known = store.get(connection, known_id)
    return known is None or known.sha256 == upload.sha256


def _outcome(engine: Engine, key: str, digest: str) -> Outcome:
    known = select(*(_request.c[name] for name in ("payload_hash", "state", "campaign_id", "error", "reserved_id")))
    with engine.connect() as connection:
        row = connection.execute(known.where(_request.c.idempotency_key == key)).one()
    if row.payload_hash != digest:  # this one was refused, and a corrected payload took over its key
        return _OTHER_PAYLOAD
    # The error of a created request says that another payload was refused: it is not about this one.
    number = row.reserved_id if row.state == "received" else row.campaign_id
    return Outcome(row.state, number, None if row.state == "created" else row.error)


def outcome(engine: Engine, key: str) -> Outcome | None:
    """What became of the payload under a key; None when none was stored."""
    known = select(_request.c.payload_hash).where(_request.c.idempotency_key == key)
    with engine.connect() as connection:
        digest = connection.execute(known).scalar()
    return None if digest is None else _outcome(engine, key, digest)


def reserved(connection: Connection, campaign_id: int) -> Row[*tuple[Any, ...]] | None:
    """The request whose campaign will have this number, or would have had it: key, state, error, created_at, intent."""
    if abs(campaign_id) > _LARGEST_ID:  # Postgres refuses to compare an id with anything larger
        return None
    intent = func.coalesce(_request.c.payload["intent"].astext, "service").label("intent")
    chosen = select(_request.c.idempotency_key, _request.c.state, _request.c.error, _request.c.created_at, intent)
    return connection.execute(chosen.where(_request.c.reserved_id == campaign_id)).first()


@dataclass(frozen=True, slots=True)
class BeingLoaded:
    """A campaign that a worker still loads."""

    campaign_id: int
    name: str
    created_at: datetime


def being_loaded(connection: Connection, limit: int) -> list[BeingLoaded]:
    """The campaigns that are not there yet, under the numbers that they will have, the newest first."""
    name = func.coalesce(_request.c.payload["name"].astext, _request.c.idempotency_key)
    chosen = select(_request.c.reserved_id, name, _request.c.created_at)
    waiting = chosen.where(_request.c.state == "received", _request.c.reserved_id.is_not(None))
    newest = waiting.order_by(_request.c.created_at.desc()).limit(limit)
    return [BeingLoaded(*row) for row in connection.execute(newest)]


def _note_other_payload(connection: Connection, key: str) -> None:
    at = func.to_char(func.now(), "YYYY-MM-DD HH24:MI:SS")
    note = func.concat("another payload came with this idempotency_key at ", at, " UTC and was refused")
    connection.execute(
        update(_request).where(_request.c.idempotency_key == key).values(error=note, updated_at=func.now())
    )


def refuse(engine: Engine, raw: Any, error: str) -> Outcome:
    """Record a refusal where the caller looks for it; without a key only the log has it.

    Raises:
        SQLAlchemyError: it cannot be recorded now.
    """
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
