"""Puts lists into the store: streamed, hashed, in the caller's transaction, so that what breaks off leaves nothing.

A list is cut into parts of one size, so that any byte of it is found by key. The stream is read at the speed of the
database, and the transaction is open all the while: what comes over a network is spooled where it arrives, and stored
from there.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from pydantic import ByteSize
from sqlalchemy import Connection, Select, func, insert, select, update

from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.db.storable import storable
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from schemas import tables

PART_BYTES = 1 << 20
UNUSED_DAYS = 1
"""Days that a list of which no campaign has come is kept at least."""

MEDIA_TYPES = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "inline": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""By the formats of `ingest`; recipients that came inside a request are kept one JSON object a line."""

_COPY = "COPY upload_part (upload_id, part_no, content) FROM STDIN (FORMAT binary)"
_EMPTY = hashlib.sha256().hexdigest()

_upload = tables.upload


@dataclass(frozen=True, slots=True)
class Upload:
    """A list in the store.

    `id` is the database's, `public_id` what others call it. `there`: its content has not been dropped, and its time is
    not up.
    """

    id: int
    public_id: str
    name: str
    media_type: str
    bytes: int
    sha256: str
    there: bool


def store(
    connection: Connection,
    settings: Settings,
    pieces: Iterable[bytes],
    *,
    name: str,
    media_type: str,
    created_by: str | None = None,
) -> Upload:
    """Write a list, in the caller's transaction; `pieces` are its bytes in any division.

    Raises:
        UsageError: it is larger than DISPATCHER_UPLOAD_MAX.
    """
    public_id = f"up_{secrets.token_hex(16)}"
    kept = timedelta(days=max(settings.lists_kept, UNUSED_DAYS))
    new = insert(_upload).values(
        public_id=public_id,
        name=storable(name[:255]),
        media_type=media_type,
        bytes=0,
        sha256=_EMPTY,
        created_by=created_by,
        expires_at=func.now() + kept,
    )
    upload_id: int = connection.execute(new.returning(_upload.c.id)).scalar_one()
    size, digest = _copy(connection, upload_id, pieces, settings.upload_max)
    connection.execute(update(_upload).where(_upload.c.id == upload_id).values(bytes=size, sha256=digest))
    return Upload(upload_id, public_id, name, media_type, size, digest, there=True)


def _copy(connection: Connection, upload_id: int, pieces: Iterable[bytes], limit: int) -> tuple[int, str]:
    """COPY the parts; their size together and their SHA-256."""
    digest, size = hashlib.sha256(), 0
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(["int8", "int4", "bytea"])
        for number, part in enumerate(_parts(pieces)):
            size += len(part)
            check_size(size, limit)
            digest.update(part)
            copy.write_row((upload_id, number, part))
    return size, digest.hexdigest()


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in parts of `PART_BYTES`; only the last one is shorter."""
    held = b""
    for piece in pieces:
        if not held and len(piece) == PART_BYTES:
            yield piece
            continue
        held += piece
        while len(held) >= PART_BYTES:
            yield held[:PART_BYTES]
            held = held[PART_BYTES:]
    if held:
        yield held


def pieces_of(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file from here to its end."""
    while piece := stream.read(PART_BYTES):
        yield piece


def check_size(size: int, limit: int) -> None:
    """Refuse a list that is too large.

    Raises:
        UsageError: it says how large one may be.
    """
    if size > limit:
        most = ByteSize(limit).human_readable(separator=" ")
        raise UsageError(
            worded("The list is larger than {most}, which is the most that DISPATCHER_UPLOAD_MAX allows.", most=most),
            hint=translated("Divide it into several campaigns, or raise DISPATCHER_UPLOAD_MAX."),
        )


def find(connection: Connection, public_id: str) -> Upload | None:
    """The list that others call so; None when there never was one, or when nothing came of it and it is gone."""
    return _found(connection, _described().where(_upload.c.public_id == public_id))


def get(connection: Connection, upload_id: int) -> Upload | None:
    """The list of this number; None as for `find`."""
    return _found(connection, _described().where(_upload.c.id == upload_id))


def _described() -> Select[Any]:
    there = (_upload.c.dropped_at.is_(None) & (_upload.c.expires_at > func.clock_timestamp())).label("there")
    c = _upload.c
    return select(c.id, c.public_id, c.name, c.media_type, c.bytes, c.sha256, there)


def _found(connection: Connection, statement: Select[Any]) -> Upload | None:
    row = connection.execute(statement).first()
    return Upload(*row) if row else None


def expires_at(connection: Connection, upload_id: int) -> datetime:
    """When the content of a list may be dropped."""
    found: datetime = connection.execute(select(_upload.c.expires_at).where(_upload.c.id == upload_id)).scalar_one()
    return found


def use(connection: Connection, upload_id: int) -> bool:
    """Make sure that a list is not dropped in this transaction, nor in the day after it; False when it is too late."""
    held = connection.execute(query("use_upload"), {"id": upload_id, "days": UNUSED_DAYS}).first()
    return held is not None


def keep(connection: Connection, settings: Settings, upload_id: int) -> None:
    """A campaign was made from a list: from now on it is kept for DISPATCHER_LISTS_KEPT days, or not at all."""
    kept = func.now() + timedelta(days=settings.lists_kept)
    until = func.greatest(_upload.c.expires_at, kept) if settings.lists_kept else kept
    connection.execute(update(_upload).where(_upload.c.id == upload_id).values(expires_at=until))


def expire(connection: Connection, upload_id: int) -> None:
    """Nothing will come of a list: it may go."""
    connection.execute(update(_upload).where(_upload.c.id == upload_id).values(expires_at=func.now()))
