"""Opening a list: what kind of file it is, by its content and then by its name."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, cast

from dispatcher.domain.file_stamp import Stamp
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest.blocks import Table
from dispatcher.ingest.inline import InlineTable
from dispatcher.ingest.jsonl import open_jsonl
from dispatcher.ingest.lines import after_marks
from dispatcher.ingest.reading import Reading
from dispatcher.ingest.remarks import Remark
from dispatcher.ingest.rows import open_delimited
from dispatcher.ingest.tidy import Tidied
from dispatcher.ingest.utf16 import encoding_of, write_utf8

Format = Literal["csv", "xlsx", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "xlsx", "jsonl")

_PIECE = 1 << 20

_KNOWN = "give CSV, XLSX or JSONL"
_NOT_TABLES = (
    (b"%PDF", "is a PDF", "export the list itself as CSV or XLSX"),
    (b"\xd0\xcf\x11\xe0", "is an old (.xls) or protected Excel workbook", "save it as XLSX, without a password"),
    (b"\x1f\x8b", "is compressed (gzip)", "unpack it first"),
    (b"Rar!", "is compressed (RAR)", "unpack it first"),
    (b"7z\xbc\xaf", "is compressed (7z)", "unpack it first"),
    (b"{\\rtf", "is a text document", "export the list as CSV or XLSX"),
    (b"\x89PNG", "is an image", _KNOWN),
    (b"\xff\xd8\xff", "is an image", _KNOWN),
    (b"<", "is a web page or XML", "open it in a spreadsheet and save it as XLSX"),
)


@dataclass
class Source:
    """An opened list; close it, or use it in a `with`.

    Attributes:
        name: what sentences call it.
        format: "csv", "xlsx", "jsonl" or "inline".
        size: bytes of the file (recipients, when inline): what `Batch.position` runs up to.
        table: its headings and rows.
        stream: the file; None when inline.
        stamp: of the file when it was opened.
        copy: what is read instead of the file, when that is UTF-16.
        opening: what was taken for granted when it was opened.
    """

    name: str
    format: str
    size: int
    table: Tidied
    stream: BinaryIO | None = None
    stamp: Stamp | None = None
    copy: BinaryIO | None = None
    opening: tuple[Remark, ...] = ()

    @property
    def remarks(self) -> list[Remark]:
        """What was taken for granted while it was read; complete once all rows have been."""
        return [*self.opening, *self.table.remarks]

    @property
    def stored_size(self) -> int:
        """Bytes of the file; 0 for what came inline, which has none of its own."""
        if self.stream is None:
            return 0
        return self.size if self.copy is None else self.stream.seek(0, os.SEEK_END)

    def pieces(self) -> Iterator[bytes]:
        """The list as it came, from its first byte on: for when its rows have been read.

        Inline recipients become JSONL.
        """
        if self.stream is not None:
            self.stream.seek(0)
            while piece := self.stream.read(_PIECE):
                yield piece
        elif isinstance(self.table.table, InlineTable):
            yield from self.table.table.as_jsonl(_PIECE)

    def changed(self) -> bool:
        """Whether the file has been written to since it was opened."""
        return self.stamp is not None and self.stamp != Stamp.of(self.stream)

    def close(self) -> None:
        """Close the file."""
        for stream in (self.stream, self.copy):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(
    path_or_stream: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    spool: Path | None = None,
    reading: Reading | None = None,
    name: str | None = None,
) -> Source:
    """Open a list of recipients: a path, a binary stream, or "-" for CSV on stdin.

    A stream that cannot seek is copied to an unnamed file in the folder `spool` (by default the system's temporary
    folder), which disappears with the process. Sentences call a stream `name`.

    Raises UsageError, with advice, for what is not a table, and
    DispatcherError when there is no room for the copy.
    """
    if format is not None and format not in FORMATS:
        raise UsageError(worded("unknown format {format!r}", format=format), hint=translated(_KNOWN))
    stream, found_name = _stream(path_or_stream, spool)
    name = name or found_name
    try:
        return _opened(stream, name, format, spool, reading or Reading())
    except BaseException:
        stream.close()
        raise


def from_recipients(recipients: list[dict[str, object]]) -> Source:
    """Open a list that came inside a request: one dict per recipient; line numbers count from 1."""
    return Source("the list of recipients", "inline", len(recipients), Tidied(InlineTable(recipients)))


def _stream(path_or_stream: str | os.PathLike[str] | BinaryIO, spool: Path | None) -> tuple[BinaryIO, str]:
    if path_or_stream == "-":
        return spooled(sys.stdin.buffer, spool), "stdin"
    if not isinstance(path_or_stream, (str, os.PathLike)):
        name = str(getattr(path_or_stream, "name", "the stream"))
        return (path_or_stream if path_or_stream.seekable() else spooled(path_or_stream, spool)), name
    path = Path(path_or_stream)
    try:
        # A FIFO would be waited for without end, and a device has none.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb"), path.name
        os.close(descriptor)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            worded("{path} cannot be read: {why}", path=path, why=why), hint=translated("check the path of the list")
        ) from error
    raise UsageError(
        worded("{path} cannot be read: it is not a regular file", path=path),
        hint=translated("give a file, or - for CSV on stdin"),
    )


def spooled(stream: BinaryIO, folder: Path | None) -> BinaryIO:
    """A copy of a stream in an unnamed file, which disappears with the process."""
    return _kept(lambda kept: shutil.copyfileobj(stream, kept, 1 << 20), folder)


def _opened(stream: BinaryIO, name: str, format: str | None, spool: Path | None, reading: Reading) -> Source:
    stamp = Stamp.of(stream)
    encoding = encoding_of(stream)
    if encoding is None:
        kind = format or format_of(stream, name)
        table = Tidied(_OPENERS[kind](stream, name, reading))
        return Source(name, kind, stream.seek(0, os.SEEK_END), table, stream, stamp)
    copy = _kept(lambda kept: write_utf8(stream, encoding, kept), spool)
    try:
        kind = format or format_of(copy, name)
        table = Tidied(_OPENERS[kind](copy, name, reading))
        told = (Remark("encoding", {"encoding": "UTF-16"}),)
        return Source(name, kind, copy.seek(0, os.SEEK_END), table, stream, stamp, copy, told)
    except BaseException:
        copy.close()
        raise


def _kept(write: Callable[[BinaryIO], None], folder: Path | None) -> BinaryIO:
    """Return an unnamed file with what `write` puts there; DispatcherError when there is no room."""
    where = folder or Path(tempfile.gettempdir())
    try:
        where.mkdir(parents=True, exist_ok=True)
        kept = cast(BinaryIO, tempfile.TemporaryFile(dir=where))  # noqa: SIM115  the Source closes it
        try:
            write(kept)
            kept.flush()
        except BaseException:
            with suppress(OSError):  # closing would write the rest
                kept.close()
            raise
    except OSError as error:
        raise DispatcherError(
            worded(
                "The list cannot be spooled in {where}: {error}. Nothing was loaded.",
                where=where,
                error=error.strerror or error,
            ),
            hint="Make room there, or give the list as a file.",
        ) from None
    return kept


def format_of(stream: BinaryIO, name: str) -> Format:
    """What kind of list a file is.

    Raises:
        UsageError: it is none, with what to do.
    """
    stream.seek(0)
    sample = stream.read(1 << 16)
    start = sample[after_marks(stream) :].lstrip()
    if not start:
        raise UsageError(worded("{name} is empty", name=name), hint=translated(_KNOWN))
    if sample.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "xlsx"
    for magic, what, hint in _NOT_TABLES:
        if start.startswith(magic):
            raise UsageError(
                worded("{name} {what}, not a table", name=name, what=translated(what)), hint=translated(hint)
            )
    if re.match(rb"\[\s*[{\]]", start):
        raise UsageError(
            worded("{name} is a JSON array", name=name), hint=translated("write one object a line (JSONL)")
        )
    if start.startswith(b"{") or Path(name).suffix.lower() in (".jsonl", ".ndjson"):
        return "jsonl"
    return "csv"


def _open_workbook(stream: BinaryIO, name: str, reading: Reading) -> Table:
    from dispatcher.ingest.workbook.table import open_workbook  # brings Babel, and a CSV does not need it

    return open_workbook(stream, name, reading)


_OPENERS: dict[str, Callable[[BinaryIO, str, Reading], Table]] = {
    "csv": open_delimited,
    "xlsx": _open_workbook,
    "jsonl": open_jsonl,
}
