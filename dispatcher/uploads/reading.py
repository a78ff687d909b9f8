"""Gives a list of the store back: as a file that is read part by part and can seek, or as an opened source."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from sqlalchemy import Engine, select

from dispatcher.db.transactions import single_statement
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.uploads.store import MEDIA_TYPES, PART_BYTES, Upload
from schemas import tables

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from dispatcher.ingest import Reading, Source

_part = tables.upload_part


class UploadFile(io.RawIOBase):
    """A list as a file. It holds one part at a time, and a connection only while it fetches one."""

    def __init__(self, engine: Engine, upload: Upload) -> None:
        """Open it at its beginning; nothing is read."""
        self.name = upload.name
        self._engine = engine
        self._upload = upload
        self._at = 0
        self._part_no, self._part = -1, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes before the next one."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is fetched."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._upload.bytes}[whence]
        if start + offset < 0:
            raise ValueError("a place before the beginning")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read to the end of the part at most.

        Raises:
            UsageError: the list was dropped meanwhile: a file that ends early would be a shorter list.
        """
        if self._at >= self._upload.bytes:
            return 0
        number, offset = divmod(self._at, PART_BYTES)
        if number != self._part_no:
            self._part_no, self._part = number, self._fetch(number)
        view = memoryview(buffer).cast("B")
        piece = self._part[offset : offset + len(view)]
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _fetch(self, number: int) -> bytes:
        chosen = select(_part.c.content).where(_part.c.upload_id == self._upload.id, _part.c.part_no == number)
        with single_statement(self._engine) as connection:
            content: bytes | None = connection.execute(chosen).scalar()
        wanted = min(PART_BYTES, self._upload.bytes - number * PART_BYTES)
        if content is None or len(content) != wanted:
            raise gone(self._upload.name)
        return content


def gone(name: str) -> UsageError:
    """The error of a list whose content is not kept any longer."""
    return UsageError(
        worded("The list {name!r} is not kept any longer.", name=name), hint=translated("Hand it in again.")
    )


def open_file(engine: Engine, upload: Upload) -> BinaryIO:
    """A list as a buffered binary file.

    Raises:
        UsageError: its content is gone.
    """
    if not upload.there:
        raise gone(upload.name)
    return cast(BinaryIO, io.BufferedReader(UploadFile(engine, upload), PART_BYTES))


def open_list(engine: Engine, upload: Upload, spool: Path, reading: Reading | None = None) -> Source:
    """Open a list of recipients, to be read as `reading` says.

    A workbook is copied to an unnamed file in the folder `spool` first: its reader takes whatever is raised below it
    for a damaged file, and a database that is away for a moment is none.

    Raises:
        UsageError: it is no table, or its content is gone.
        DispatcherError: there is no room for the copy.
    """
    # Polars comes with them: whoever only takes lists does without.
    from dispatcher.ingest import open_source
    from dispatcher.ingest.files import spooled

    stream = open_file(engine, upload)
    if upload.media_type != MEDIA_TYPES["xlsx"]:
        return open_source(stream, spool=spool, reading=reading)
    with stream:
        return open_source(spooled(stream, spool), name=upload.name, spool=spool, reading=reading)
