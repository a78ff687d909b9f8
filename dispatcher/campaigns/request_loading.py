"""Loads campaigns that other services handed in: whole or not at all, by one process at a time, finished after a crash.

A file that a request names is put into the upload store first (`request_list.py`), so that any host can load it. The
load and the new state of the request commit together. A lease keeps ten calls from loading ten times.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from sqlalchemy import Engine, and_, func, null, or_, select, update

from dispatcher import audit_trail
from dispatcher.accounts import account_info, binding
from dispatcher.campaigns import request_lease, request_list
from dispatcher.campaigns.request_lease import Lease, LeaseLost
from dispatcher.campaigns.request_payload import explain
from dispatcher.config import Settings
from dispatcher.db.errors import DRIVER_ERRORS, lasts
from dispatcher.db.storable import storable
from dispatcher.errors import ListRefused, UsageError
from dispatcher.home import spool
from dispatcher.uploads import reading, store
from schemas import tables
from schemas.payload import CampaignPayload

if TYPE_CHECKING:
    from dispatcher.ingest import Reading, Source

log = logging.getLogger(__name__)

MAX_TRIES = 3
_ABANDONED_AFTER = timedelta(seconds=5)

_request = tables.campaign_request

T = TypeVar("T")


def pending(engine: Engine) -> list[str]:
    """The keys of requests that were stored and that nobody has been loading for a while: their worker died.

    So are those whose file another process has just put into the store; those that wait for theirs are not.
    """
    found = and_(_request.c.upload_id.is_not(None), _request.c.looked_at.is_not(None), _request.c.tries == 0)
    abandoned = and_(request_lease.is_free(), or_(found, _request.c.updated_at < func.now() - _ABANDONED_AFTER))
    keys = select(_request.c.idempotency_key).where(
        _request.c.state == "received", _request.c.file_awaited_since.is_(None), abandoned
    )
    with engine.connect() as connection:
        return list(connection.execute(keys.order_by(_request.c.created_at).limit(10)).scalars())


def load_request(engine: Engine, settings: Settings, key: str) -> int | None:
    """Load a stored payload, once its file is in the upload store.

    Returns:
        The campaign's number; None when it was refused, waits for its file, or another process loads it.
    """

    def load(lease: Lease) -> int:
        upload_id = lease.row.upload_id
        payload = CampaignPayload.model_validate(lease.row.payload)
        if payload.file is not None and upload_id is None:
            upload_id = request_list.take(engine, settings, lease, payload.file)
        # By itself: the first campaign's load makes the account's row, which no other load could pass until its end.
        with engine.begin() as connection:
            binding.bind(connection, settings)
        with audit_trail.acting_as(audit_trail.Actor.parse(lease.row.created_by)):
            return _load(engine, settings, lease, payload, upload_id)

    return _alone(engine, key, load)


def take_file(engine: Engine, settings: Settings, key: str) -> None:
    """Put the file of a request into the upload store, if this host has it; the next hint has it loaded."""

    def take(lease: Lease) -> None:
        if lease.row.upload_id is None:
            request_list.take(engine, settings, lease, CampaignPayload.model_validate(lease.row.payload).file or "")
        lease.give_up(counts=False)

    _alone(engine, key, take)


def look_for_files(engine: Engine, settings: Settings) -> None:
    """Look in this host's HOME/lists for the files that requests wait for; give up those that nobody has for long."""
    for wanted in request_list.awaited(engine):
        if request_list.is_here(settings, wanted.file):
            take_file(engine, settings, wanted.key)
        else:
            request_list.note_look(engine, settings, wanted.key)
        request_list.give_up(engine, wanted)


def _alone(engine: Engine, key: str, work: Callable[[Lease], T]) -> T | int | None:
    """Do something with a request that no other process does meanwhile; an error of its list ends the request.

    Returns:
        What `work` does; the campaign's number when there is one already, None when there is none.
    """
    lease = Lease.take(engine, key)
    if lease is None:
        with engine.connect() as connection:
            loaded = select(_request.c.campaign_id).where(_request.c.idempotency_key == key)
            return connection.execute(loaded).scalar()
    if lease.row.tries > MAX_TRIES:
        _end(engine, lease, "failed", f"loading was cut off {MAX_TRIES} times: see the log of the worker")
        return None
    try:
        with lease.renewed():
            return work(lease)
    except request_list.Awaited:
        lease.give_up(counts=False)
    except (UsageError, ListRefused, ValidationError, RecursionError) as error:
        _end(engine, lease, "refused", explain(error))
    except LeaseLost as error:
        log.warning("request_lost key=%s why=%s", key, error)
    except DRIVER_ERRORS as error:
        if not lasts(error):
            lease.give_up(counts=False)
            raise
        _end(engine, lease, "refused", f"the list cannot be stored: {type(error).__name__}")
    except Exception:
        lease.give_up(counts=True)
        raise
    return None


def _load(engine: Engine, settings: Settings, lease: Lease, payload: CampaignPayload, upload_id: int | None) -> int:
    """Load the campaign and record it in its request, in one transaction.

    Raises:
        LeaseLost: another process has taken over, so nothing of this is committed.
    """
    # Polars comes with them: a tick, which looks for requests that nobody loads, does without.
    from dispatcher.campaigns import appending, loading
    from dispatcher.ingest import from_recipients

    spec = payload.spec()
    # The provider is asked before the first statement below opens a transaction.
    info = account_info.fetch_for_campaign(settings, required=True) if payload.require_balance else None
    if payload.recipients is not None:
        source = from_recipients(payload.recipients)
        spec = spec.model_copy(update={"name": spec.name or lease.key})
    else:
        source = _stored_list(engine, settings, upload_id, loading.reading_of(spec, settings))
    with source, engine.connect() as connection:
        if spec.append_to is None:
            number = lease.row.reserved_id
            loaded = loading.load(connection, settings, spec, source, info=info, upload_id=upload_id, number=number)
        else:
            loaded = appending.append(connection, settings, spec, source, info=info)
        # From here on the request's row is locked: a process that stands still now must not keep it from others for
        # long.
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout TO DEFAULT")
        created = update(_request).where(lease.is_held).values(state="created", campaign_id=loaded.campaign_id)
        created = created.values(payload=null(), error=None, holder=None, lease_until=None, updated_at=func.now())
        if connection.execute(created).rowcount == 0:
            raise LeaseLost
        connection.commit()
    return loaded.campaign_id


def _stored_list(engine: Engine, settings: Settings, upload_id: int | None, asked: "Reading") -> "Source":
    with engine.connect() as connection:
        upload = store.get(connection, upload_id) if upload_id is not None else None
    if upload is None:
        raise UsageError("the list is not kept any longer.", hint="Hand it in again.")
    return reading.open_list(engine, upload, spool(settings.home), asked)


def _end(engine: Engine, lease: Lease, state: str, error: str) -> None:
    """Nothing comes of a request: say why, and let the list go that was taken for it alone."""
    ended = update(_request).where(lease.is_held).values(state=state, error=storable(error), payload=null())
    ended = ended.values(holder=None, lease_until=None, file_awaited_since=None, updated_at=func.now())
    with engine.begin() as connection:
        row = connection.execute(select(_request.c.upload_id, _request.c.payload).where(lease.is_held)).first()
        connection.execute(ended.values(upload_id=None))
        if row is not None and row.upload_id is not None and row.payload.get("file") is not None:
            store.expire(connection, row.upload_id)
    log.warning("request_%s key=%s error=%s", state, lease.key, error)
