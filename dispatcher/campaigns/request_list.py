"""The list of a campaign request: in the upload store already, or a file in HOME/lists of one of the hosts.

The first process that has the file puts it into the store, and from then on any worker of any host can load it. A
process that does not have it refuses nothing: another host may. Its look is noted, every host's tick looks in its own
folder, and only when nobody has found the file for ten minutes is the request refused, with the places that were
searched. While the file grows somewhere, the ten minutes do not pass.

A file that somebody is still writing is not taken: two looks, two seconds apart, must find the same size and time, and
so must a third after the file was read. A copy that stands still for longer than that cannot be told from a whole file:
whoever writes slowly uses another name, and renames the file when it is complete.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, select, update

from dispatcher import home
from dispatcher.campaigns.request_lease import LEASE, Lease, LeaseLost
from dispatcher.campaigns.request_payload import list_file
from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.db.storable import storable
from dispatcher.db.transactions import take_time
from dispatcher.domain.file_stamp import Stamp
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from dispatcher.uploads import store
from dispatcher.uploads.store import Upload
from schemas import tables
from schemas.payload import CampaignPayload

log = logging.getLogger(__name__)

QUIET = 2.0
"""Seconds between two looks at a file."""
LOOKED_FOR_SECONDS = 600.0
"""Seconds of looking after which a file that no host has is given up."""
_GAP = 60.0
"""Seconds without any look after which the wait begins anew: all workers were stopped."""

_request = tables.campaign_request


class Awaited(Exception):
    """No process of this host has the whole file now."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that waits for a file."""

    key: str
    file: str


def given(connection: Connection, payload: CampaignPayload) -> Upload | None:
    """The list that a payload names by its upload_id; None when it names none.

    Raises:
        UsageError: there is no such list.
    """
    if payload.upload_id is None:
        return None
    upload = store.find(connection, payload.upload_id)
    if upload is None:
        raise UsageError(
            worded(
                "upload_id {upload_id!r} is not known, or its list is not kept any longer.", upload_id=payload.upload_id
            ),
            hint="Upload the list again.",
        )
    return upload


def whole(path: Path) -> Stamp | None:
    """Look at a file twice; None when it is not there, or was written to meanwhile."""
    before = _look(path)
    if before is None:
        return None
    time.sleep(QUIET)
    return before if _look(path) == before else None


def _look(path: Path) -> Stamp | None:
    try:
        return Stamp.read(path.stat())
    except FileNotFoundError:
        return None


def take(engine: Engine, settings: Settings, lease: Lease, name: str) -> int:
    """Put the file of a request into the upload store and commit that. Returns the list's number.

    Raises:
        Awaited: this host does not have it, or somebody is writing it; noted.
        UsageError: it is no list, is too large, or has a name that cannot be.
        LeaseLost: another process has taken over.
    """
    path = list_file(settings, name)
    try:
        stamp = whole(path)
        upload = _store(engine, settings, lease, path, stamp) if stamp else None
    except FileNotFoundError:
        upload = None
    except OSError as error:
        raise UsageError(
            worded(
                "file {name!r} cannot be read on {host}: {strerror}.",
                name=name,
                host=socket.gethostname(),
                strerror=error.strerror,
            ),
            hint="Set its permissions right.",
        ) from None
    if upload is None:
        note_look(engine, settings, lease.key, grows=_look(path) is not None)
        raise Awaited
    log.info("list_taken key=%s upload=%s bytes=%s", lease.key, upload.id, upload.bytes)
    return upload.id


def _store(engine: Engine, settings: Settings, lease: Lease, path: Path, stamp: Stamp) -> Upload | None:
    """Store the file and link it to its request; None when it is written to meanwhile."""
    from dispatcher.ingest.files import format_of  # polars comes with it: a look that finds nothing does without

    with path.open("rb") as stream, engine.connect() as connection:
        store.check_size(stamp.size, settings.upload_max)
        media_type = store.MEDIA_TYPES[format_of(stream, path.name)]
        stream.seek(0)
        take_time(connection)
        upload = store.store(connection, settings, store.pieces_of(stream), name=path.name, media_type=media_type)
        if not stamp == Stamp.of(stream) == _look(path):
            return None  # and nothing is committed
        linked = update(_request).where(lease.is_held)
        if connection.execute(linked.values(upload_id=upload.id, file_awaited_since=None)).rowcount == 0:
            raise LeaseLost
        connection.commit()
    return upload


def is_other(engine: Engine, settings: Settings, name: str, upload_id: int) -> bool:
    """Whether the file of this name is another one than was taken; not while it is written, nor where there is none."""
    path = list_file(settings, name)
    if whole(path) is None:
        return False
    with engine.connect() as connection:
        taken = store.get(connection, upload_id)
    try:
        with path.open("rb") as stream:
            return taken is not None and hashlib.file_digest(stream, "sha256").hexdigest() != taken.sha256
    except FileNotFoundError:
        return False


# -- looking for what another host was told of -------------------------------------------------------------------------


def awaited(engine: Engine) -> list[Wanted]:
    """The requests whose file nobody has found yet."""
    wanted = select(_request.c.idempotency_key, _request.c.payload["file"].astext).where(
        _request.c.state == "received", _request.c.file_awaited_since.is_not(None)
    )
    with engine.connect() as connection:
        return [Wanted(*row) for row in connection.execute(wanted.order_by(_request.c.created_at).limit(500))]


def is_here(settings: Settings, name: str) -> bool:
    """Whether this host has something under the name."""
    try:
        return list_file(settings, name).exists()
    except UsageError:
        return False


def place(settings: Settings) -> str:
    """What this host's folder is called for those who look for their file."""
    return f"{socket.gethostname()}:{home.lists(settings.home)}"


def note_look(engine: Engine, settings: Settings, key: str, *, grows: bool = False) -> None:
    """This host does not have the file, or not the whole of it: then the wait begins anew."""
    looked = {"key": key, "place": place(settings), "gap": _GAP, "grows": grows}
    with engine.begin() as connection:
        connection.execute(query("note_look"), looked)


def give_up(engine: Engine, wanted: Wanted) -> None:
    """Refuse a request whose file no host has had for `LOOKED_FOR_SECONDS` seconds."""
    with engine.begin() as connection:
        row = connection.execute(
            select(_request.c.looked_on).where(_request.c.idempotency_key == wanted.key)
        ).one_or_none()
        error = not_found(wanted.file, row.looked_on if row else [])
        limits = {"patience": LOOKED_FOR_SECONDS, "gap": _GAP, "lease": LEASE}
        if connection.execute(query("give_up_file"), {"key": wanted.key, "error": error, **limits}).first():
            log.warning("request_refused key=%s error=%s", wanted.key, error)


def not_found(name: str, places: list[str]) -> str:
    """Why a request is refused whose file nobody has."""
    return storable(
        f"file {name[:200]!r} was not found whole within {LOOKED_FOR_SECONDS / 60:.0f} minutes; "
        f"looked in {', '.join(places)}. "
        "Copy it into one of these folders under another name, rename it when it is complete, and send the request "
        "again."
    )


# -- the same in the background of a tick ------------------------------------------------------------------------------


class Background:
    """One thread at a time for what takes longer than a tick may."""

    def __init__(self) -> None:
        """Nothing runs."""
        self._busy = threading.Lock()

    def run(self, work: Callable[[], object]) -> bool:
        """Begin, unless the last one is still at it."""
        if not self._busy.acquire(blocking=False):
            return False

        def run() -> None:
            try:
                work()
            except Exception as error:
                log.warning("lists_look_failed why=%s", type(error).__name__)
            finally:
                self._busy.release()

        threading.Thread(target=run, name="lists-look", daemon=True).start()
        return True
