"""Checks of a list that others ask for: the dry run of `campaign create`, with its report kept in a row.

Recipients in line are checked at once. A list of the upload store is checked by a worker; when that one dies, another
begins anew. Nothing is sent, and no campaign comes of it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, Engine, Row, Text, delete, func, insert, literal, or_, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB

from dispatcher import audit_trail
from dispatcher.campaigns.request_payload import explain
from dispatcher.config import Settings
from dispatcher.db.storable import storable_json
from dispatcher.errors import ListRefused, UsageError
from dispatcher.home import spool
from dispatcher.i18n.words import Language, current, speaking, translated
from dispatcher.uploads import reading, store
from schemas import tables
from schemas.payload import CampaignSpec

if TYPE_CHECKING:
    from dispatcher.ingest import Batch, Source

log = logging.getLogger(__name__)

MAX_TRIES = 3
_LEASE = timedelta(seconds=60)
"""Without progress for so long, another worker may begin the check anew."""
_UNHEARD_AFTER = timedelta(seconds=2)
_PROGRESS_EVERY = 0.5  # seconds
_DROPPED_AT_ONCE = 100

_check = tables.list_check


@dataclass(frozen=True, slots=True)
class Check:
    """A check that was asked for. It runs until it has a `report` or an `error`, which says why there is none."""

    check_id: str
    created_at: datetime
    expires_at: datetime
    progress: float
    report: dict[str, Any] | None
    error: str | None


def check_recipients(engine: Engine, settings: Settings, spec: CampaignSpec, recipients: list[dict[str, Any]]) -> Check:
    """Check a list that came inside a request, now.

    Raises:
        UsageError: nothing could be made of it, as in a load.
    """
    from dispatcher.ingest import from_recipients  # polars comes with it, and a listener does without until here

    report = _dry_run(engine, settings, spec, from_recipients(recipients))
    with engine.begin() as connection:
        return _store(connection, settings, spec, progress=1.0, report=_json(report))


def ask(engine: Engine, settings: Settings, spec: CampaignSpec, upload_id: str) -> Check:
    """Have a list of the upload store checked by a worker.

    Raises:
        UsageError: there is no such list.
    """
    with engine.begin() as connection:
        upload = store.find(connection, upload_id)
        if upload is None or not upload.there or not store.use(connection, upload.id):
            raise reading.gone(upload_id if upload is None else upload.name)
        return _store(connection, settings, spec, upload_id=upload_id)


def _store(connection: Connection, settings: Settings, spec: CampaignSpec, **values: Any) -> Check:
    check_id = f"chk_{secrets.token_hex(16)}"
    kept = timedelta(days=max(settings.lists_kept, store.UNUSED_DAYS))
    new = insert(_check).values(
        public_id=check_id,
        spec=_json(spec.model_dump()),
        language=current(),
        created_by=str(audit_trail.current()),
        expires_at=func.now() + kept,
        **values,
    )
    connection.execute(new)
    found = find(connection, check_id)
    assert found is not None
    return found


def find(connection: Connection, check_id: str) -> Check | None:
    """The check that was answered under this id, unless its time is over."""
    names = ("public_id", "created_at", "expires_at", "progress", "report", "error")
    chosen = select(*(_check.c[name] for name in names)).where(_check.c.public_id == check_id)
    row = connection.execute(chosen.where(_check.c.expires_at > func.now())).first()
    return Check(*row) if row else None


def pending(engine: Engine) -> list[str]:
    """Checks that no worker has begun, or that their worker has left alone."""
    unheard = or_(
        _check.c.lease_until < func.clock_timestamp(),
        _check.c.lease_until.is_(None) & (_check.c.created_at < func.now() - _UNHEARD_AFTER),
    )
    ids = select(_check.c.public_id).where(_is_open(), unheard).order_by(_check.c.id).limit(10)
    with engine.connect() as connection:
        return list(connection.execute(ids).scalars())


def run(engine: Engine, settings: Settings, check_id: str) -> None:
    """Check a list of the upload store, unless another worker does; its row keeps the report, or why there is none."""
    row = _take(engine, check_id)
    if row is None:
        return
    if row.tries > MAX_TRIES:
        _end(engine, check_id, error=translated("The check was cut off several times.", cast(Language, row.language)))
        return
    with speaking(cast(Language, row.language)):
        try:
            spec = CampaignSpec.model_validate(row.spec)
            with _list(engine, settings, row.upload_id, spec) as source:
                report = _dry_run(engine, settings, spec, source, _Progress(engine, check_id, source.size))
        except (UsageError, ListRefused) as error:
            _end(engine, check_id, error=explain(error))
        else:
            _end(engine, check_id, report=_json(report), progress=1.0)


def write_invalid(engine: Engine, settings: Settings, spec: CampaignSpec, upload_id: str, folder: Path) -> Path:
    """Write every row of an uploaded list that cannot become a message, with why. Returns the CSV file.

    Raises:
        UsageError: nothing could be made of the list, or it is not kept any longer.
    """
    from dispatcher.campaigns import invalid_file, loading
    from dispatcher.ingest import ingest
    from dispatcher.suppression.lists import Lists

    with engine.connect() as connection:
        lists = Lists.read(connection, settings.home, spec.intent)
    with _list(engine, settings, upload_id, spec) as source:
        batches = ingest(source, loading.options_of(spec, settings), lists.reasons)
        return invalid_file.write_checked(source, (batch.invalid_rows for batch in batches), folder)


def drop_old(engine: Engine) -> None:
    """Delete checks whose time is over: they hold numbers and texts, as their lists do."""
    over = select(_check.c.id).where(_check.c.expires_at <= func.clock_timestamp()).limit(_DROPPED_AT_ONCE)
    with engine.begin() as connection:
        connection.execute(delete(_check).where(_check.c.id.in_(over)))


def _is_open() -> Any:
    return _check.c.report.is_(None) & _check.c.error.is_(None)


def _take(engine: Engine, check_id: str) -> Row[Any] | None:
    now = func.clock_timestamp()
    free = or_(_check.c.lease_until.is_(None), _check.c.lease_until < now)
    taken = update(_check).where(_check.c.public_id == check_id, _is_open(), free)
    taken = taken.values(tries=_check.c.tries + 1, lease_until=now + _LEASE)
    with engine.begin() as connection:
        return connection.execute(
            taken.returning(_check.c.spec, _check.c.upload_id, _check.c.language, _check.c.tries)
        ).first()


def _end(engine: Engine, check_id: str, **values: Any) -> None:
    ended = update(_check).where(_check.c.public_id == check_id, _is_open()).values(lease_until=None, **values)
    with engine.begin() as connection:
        connection.execute(ended)


@contextmanager
def _list(engine: Engine, settings: Settings, upload_id: str, spec: CampaignSpec) -> Iterator[Source]:
    from dispatcher.campaigns import loading

    with engine.connect() as connection:
        upload = store.find(connection, upload_id)
    if upload is None:
        raise reading.gone(upload_id)
    with reading.open_list(engine, upload, spool(settings.home), loading.reading_of(spec, settings)) as source:
        yield source


def _dry_run(
    engine: Engine,
    settings: Settings,
    spec: CampaignSpec,
    source: Source,
    progress: Callable[[Batch], None] | None = None,
) -> dict[str, Any]:
    from dispatcher.campaigns import dry_run

    return dry_run.run(settings, spec, source, lambda _: engine.connect(), progress).as_json()


class _Progress:
    """Writes down how far a check is, now and then; that keeps its lease, too."""

    def __init__(self, engine: Engine, check_id: str, size: int) -> None:
        self._engine = engine
        self._check_id = check_id
        self._size = max(size, 1)
        self._next = 0.0

    def __call__(self, batch: Batch) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PROGRESS_EVERY
        share = min(batch.position / self._size, 0.99)
        further = update(_check).where(_check.c.public_id == self._check_id, _is_open())
        with self._engine.begin() as connection:
            connection.execute(further.values(progress=share, lease_until=func.clock_timestamp() + _LEASE))


def _json(value: Any) -> Any:
    return sql_cast(literal(storable_json(value), Text), JSONB)
