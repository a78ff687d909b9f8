"""Campaigns handed in by other services: idempotent by key, whole or not at all, finished after a crash.

The payload is stored before anything else, so that from then on the database knows of it, whatever becomes of the
task. Loading and the request's new state commit together, under a lock that ends with their transaction: ten calls load
once, and a host that dies while it loads holds nobody up.
"""

import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, text

from dispatcher import home
from dispatcher.accounts import account_info
from dispatcher.campaigns import loading
from dispatcher.config import Settings
from dispatcher.db.errors import DRIVER_ERRORS, DatabaseUnavailable, translate
from dispatcher.errors import UsageError
from dispatcher.ingest import from_recipients, open_source
from schemas.payload import CampaignPayload

log = logging.getLogger(__name__)

MAX_TRIES = 3

_LEASE = 5.0
"""Seconds in which who took a request must have begun to load it; then another may take it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a payload.

    `state` is that of its `campaign_request` (`received`: another process is loading it right now), or
    `other_payload` when its key belongs to another one. Only `created` has a campaign, all but that and `received`
    have an `error`.
    """

    state: Literal["received", "created", "refused", "failed", "other_payload"]
    campaign_id: int | None = None
    error: str | None = None


_OTHER_PAYLOAD = Outcome("other_payload", error="another payload came with this idempotency_key: use a new one")


def list_file(settings: Settings, name: str) -> Path:
    """The path of a file in HOME/lists.

    Raises:
        UsageError: it is not there, or points outside.
    """
    folder = home.lists(settings.home).resolve()
    try:
        path = (folder / name).resolve()
        found = path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL: no name of any file
        raise UsageError(f"file {name[:100]!r} cannot be a file's name.", hint="Give the name of a file.") from None
    if not path.is_relative_to(folder):
        raise UsageError(f"file {name!r} lies outside {folder}.", hint="Put the file there and give its name.")
    if not found:
        raise UsageError(f"file {name!r} is not in {folder}.", hint="Copy it there first, then send the task again.")
    return path


def payload_hash(payload: CampaignPayload, settings: Settings) -> str:
    """What makes two payloads the same: every field, and the bytes of the file."""
    # A field of later versions that nobody gave: a payload keeps the hash that it was stored with.
    later = {"html"} if payload.html is None else None
    digest = hashlib.sha256(json.dumps(payload.model_dump(exclude=later), sort_keys=True, default=str).encode())
    if payload.file is not None:
        with list_file(settings, payload.file).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def receive(engine: Engine, settings: Settings, raw: Any) -> Outcome:
    """Take a payload in and load it; the outcome also stands in `campaign_request`."""
    key = str(raw.get("idempotency_key") or "").strip()[:200] if isinstance(raw, dict) else ""
    key = key if key.isprintable() else ""
    try:
        payload = CampaignPayload.model_validate(raw)
        stored = _storable(payload)
        digest = payload_hash(payload, settings)
    except (ValueError, UsageError) as error:
        _refuse(engine, key, raw, _words(error))
        return Outcome("refused", error=_words(error))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO campaign_request (idempotency_key, payload_hash, payload, state) "
                "VALUES (:key, :hash, CAST(:payload AS jsonb), 'received') ON CONFLICT (idempotency_key) DO NOTHING"
            ),
            {"key": payload.idempotency_key, "hash": digest, "payload": stored},
        )
        known = connection.execute(
            text("SELECT payload_hash, campaign_id, state FROM campaign_request WHERE idempotency_key = :key"),
            {"key": payload.idempotency_key},
        ).one()
        if known.payload_hash != digest and known.state not in ("refused", "failed"):
            _note_other_payload(connection, payload.idempotency_key)
            log.warning("refused_other_payload key=%s", payload.idempotency_key)
            return _OTHER_PAYLOAD
        if known.state in ("refused", "failed"):
            # A corrected payload may use the key of one that was refused: no campaign came of that.
            connection.execute(
                text(
                    "UPDATE campaign_request SET payload_hash = :hash, payload = CAST(:payload AS jsonb), "
                    "state = 'received', error = NULL, tries = 0, updated_at = now() "
                    "WHERE idempotency_key = :key AND state IN ('refused', 'failed')"
                ),
                {"key": payload.idempotency_key, "hash": digest, "payload": stored},
            )
    if known.state != "created":
        load_request(engine, settings, payload.idempotency_key)
    return _outcome(engine, payload.idempotency_key, digest)


def _outcome(engine: Engine, key: str, digest: str) -> Outcome:
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT payload_hash, state, campaign_id, error FROM campaign_request WHERE idempotency_key = :key"),
            {"key": key},
        ).one()
    if row.payload_hash != digest:  # a corrected payload took over the key of this refused one
        return _OTHER_PAYLOAD
    # A created one may carry the note that another payload was refused: that is not this payload's error.
    return Outcome(row.state, row.campaign_id, None if row.state == "created" else row.error)


def pending(engine: Engine) -> list[str]:
    """Keys that were taken in and not loaded, with nobody at it for a while: their worker died."""
    with engine.connect() as connection:
        return list(
            connection.execute(
                text(
                    "SELECT idempotency_key FROM campaign_request WHERE state = 'received' "
                    "AND updated_at < now() - interval '5 seconds' ORDER BY created_at LIMIT 10"
                )
            ).scalars()
        )


def load_request(engine: Engine, settings: Settings, key: str) -> int | None:
    """Load a payload that was taken in. Returns the campaign's number, None when it was not loaded here."""
    with engine.connect() as connection:
        row = _take(connection, settings, key)
        if row is None:
            return connection.execute(
                text("SELECT campaign_id FROM campaign_request WHERE idempotency_key = :key"), {"key": key}
            ).scalar()
        if row.tries > MAX_TRIES:
            _end(connection, key, "failed", f"loading did not survive {MAX_TRIES} tries; see the worker's log")
            return None
        try:
            campaign_id = _load(connection, settings, key, row)
            connection.commit()
        except (UsageError, ValidationError) as error:
            connection.rollback()
            _end(connection, key, "refused", _words(error))
            return None
        except DRIVER_ERRORS as error:
            if isinstance(translate(error), DatabaseUnavailable):
                _give_back(connection, key)
            raise
        return campaign_id


def _take(connection: Connection, settings: Settings, key: str) -> Any:
    """Take a request for one try at loading; None when it is not to be loaded, or another process is at it."""
    row = connection.execute(
        text(
            # Ignore a moment that lies ahead: the clock was stepped back.
            "UPDATE campaign_request SET tries = tries + 1, updated_at = clock_timestamp() "
            "WHERE idempotency_key = :key AND state = 'received' AND (tries = 0 OR updated_at NOT BETWEEN "
            "clock_timestamp() - make_interval(secs => :lease + CASE payload->>'require_balance' WHEN 'true' "
            "THEN :asking ELSE 0 END) AND clock_timestamp()) RETURNING payload, payload_hash, tries"
        ),
        {"key": key, "lease": _LEASE, "asking": settings.provider_timeout},
    ).first()
    # Only who may take it asks for the lock: others would hold it for a moment, in which the taker wants it.
    if row is not None and not _lock(connection, key):
        connection.rollback()
        return None
    connection.commit()
    return row


def _lock(connection: Connection, key: str) -> bool:
    """Hold a request until the transaction ends, if nobody else does; a reader of its row waits for nothing."""
    locked = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
    return bool(connection.execute(locked, {"key": f"campaign_request:{key}"}).scalar())


def _give_back(connection: Connection, key: str) -> None:
    """Do not count a try that the database itself broke off: only what ends its worker three times is given up."""
    with suppress(*DRIVER_ERRORS):
        connection.rollback()
        connection.execute(
            text(
                "UPDATE campaign_request SET tries = greatest(0, tries - 1) "
                "WHERE idempotency_key = :key AND state = 'received'"
            ),
            {"key": key},
        )
        connection.commit()


def _load(connection: Connection, settings: Settings, key: str, row: Any) -> int | None:
    """Load in the caller's transaction, and say so in the request, together; None when another process did."""
    payload = CampaignPayload.model_validate(row.payload)
    spec = payload.spec()
    # Asked before the first statement below opens a transaction.
    info = account_info.fetch_for_campaign(settings, required=True) if payload.require_balance else None
    state = text("SELECT state FROM campaign_request WHERE idempotency_key = :key")
    if not _lock(connection, key) or connection.execute(state, {"key": key}).scalar() != "received":
        return None
    if payload.recipients is not None:
        source = from_recipients(payload.recipients)
        spec = spec.model_copy(update={"name": spec.name or key})
    else:
        if payload_hash(payload, settings) != row.payload_hash:
            raise UsageError(
                f"file {payload.file!r} changed after the request was taken in.",
                hint="Send it again under a new idempotency_key.",
            )
        source = open_source(list_file(settings, payload.file or ""))
    with source:
        loaded = loading.load(connection, settings, spec, source, info=info)
    connection.execute(
        text(
            "UPDATE campaign_request SET state = 'created', campaign_id = :id, payload = NULL, error = NULL, "
            "updated_at = now() WHERE idempotency_key = :key"
        ),
        {"key": key, "id": loaded.campaign_id},
    )
    return loaded.campaign_id


def _end(connection: Connection, key: str, state: str, error: str) -> None:
    connection.execute(
        text(
            "UPDATE campaign_request SET state = :state, error = :error, payload = NULL, updated_at = now() "
            "WHERE idempotency_key = :key AND state = 'received'"
        ),
        {"key": key, "state": state, "error": error},
    )
    connection.commit()
    log.warning("request_%s key=%s error=%s", state, key, error)


def _note_other_payload(connection: Connection, key: str) -> None:
    connection.execute(
        text(
            "UPDATE campaign_request SET error = 'another payload came with this idempotency_key at ' || "
            "to_char(now(), 'YYYY-MM-DD HH24:MI:SS') || ' UTC and was refused', updated_at = now() "
            "WHERE idempotency_key = :key"
        ),
        {"key": key},
    )


def _refuse(engine: Engine, key: str, raw: Any, error: str) -> None:
    """Keep a refusal where the caller looks for it; without a key there is only the log."""
    log.warning("request_refused key=%s error=%s", key or None, error)
    if not key:
        return
    digest = hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()
    with engine.begin() as connection:
        known = connection.execute(
            text(
                "INSERT INTO campaign_request (idempotency_key, payload_hash, state, error) "
                "VALUES (:key, :hash, 'refused', :error) ON CONFLICT (idempotency_key) DO UPDATE "
                "SET error = excluded.error, payload_hash = excluded.payload_hash, updated_at = now() "
                "WHERE campaign_request.state IN ('refused', 'failed') RETURNING 1"
            ),
            {"key": key, "hash": digest, "error": error},
        ).first()
        if known is None:
            _note_other_payload(connection, key)


def _storable(payload: CampaignPayload) -> str:
    """JSON for a jsonb column, which holds no NUL.

    Raises:
        ValueError: the payload holds NaN, an infinity or half a character, which it cannot hold either.
    """
    written = json.dumps(payload.model_dump(), default=str, allow_nan=False, ensure_ascii=False)
    written.encode()
    return written.replace("\\u0000", "\\u2400")


def _words(error: ValueError | UsageError) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'payload'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False, include_url=False)
        )[:2000]
    if isinstance(error, UsageError):
        # Ingest words its errors as parts of a sentence.
        return f"{str(error).rstrip('.')}. {error.hint or ''}".strip()
    return f"the payload cannot be stored: {error}"[:2000]
