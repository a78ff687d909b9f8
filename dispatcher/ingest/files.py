"""Opening a list: what kind of file it is, by its content and then by its name."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, cast

from dispatcher.domain.file_stamp import Stamp
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.ingest.blocks import Table
from dispatcher.ingest.inline import InlineTable
from dispatcher.ingest.jsonl import open_jsonl
from dispatcher.ingest.rows import open_delimited
from dispatcher.ingest.xlsx import open_xlsx

Format = Literal["csv", "xlsx", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "xlsx", "jsonl")

_PIECE = 1 << 20

_KNOWN = "give CSV (comma, semicolon or tab), XLSX or JSONL"
_NOT_TABLES = (
    (b"%PDF", "is a PDF", "export the list itself as CSV or XLSX"),
    (b"\xd0\xcf\x11\xe0", "is an old or protected Excel workbook", "save it as XLSX, without a password"),
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
    """

    name: str
    format: str
    size: int
    table: Table
    stream: BinaryIO | None = None
    stamp: Stamp | None = None

    @property
    def stored_size(self) -> int:
        """Bytes of the file; 0 for what came inline, which has none of its own."""
        return self.size if self.stream is not None else 0

    def pieces(self) -> Iterator[bytes]:
        """The list as it came, from its first byte on: for when its rows have been read.

        Inline recipients become JSONL.
        """
        if self.stream is not None:
            self.stream.seek(0)
            while piece := self.stream.read(_PIECE):
                yield piece
        elif isinstance(self.table, InlineTable):
            yield from self.table.as_jsonl(_PIECE)

    def changed(self) -> bool:
        """Whether the file has been written to since it was opened."""
        return self.stamp is not None and self.stamp != Stamp.of(self.stream)

    def close(self) -> None:
        """Close the file."""
        if self.stream is not None:
            self.stream.close()

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
    name: str | None = None,
) -> Source:
    """Open a list of recipients: a path, a binary stream, or "-" for CSV on stdin.

    A stream that cannot seek is copied to an unnamed file in the folder `spool` (by default the system's temporary
    folder), which disappears with the process. Sentences call a stream `name`.

    Raises UsageError, with advice, for what is not a table, and
    DispatcherError when there is no room for the copy.
    """
    if format is not None and format not in FORMATS:
        raise UsageError(f"unknown format {format!r}", hint=_KNOWN)
    stream, found_name = _stream(path_or_stream, spool)
    name = name or found_name
    try:
        size = stream.seek(0, os.SEEK_END)
        kind = format or format_of(stream, name)
        return Source(name, kind, size, _OPENERS[kind](stream, name), stream, Stamp.of(stream))
    except BaseException:
        stream.close()
        raise


def from_recipients(recipients: list[dict[str, object]]) -> Source:
    """Open a list that came inside a request: one dict per recipient; line numbers count from 1."""
    return Source("the list of recipients", "inline", len(recipients), InlineTable(recipients))


def _stream(path_or_stream: str | os.PathLike[str] | BinaryIO, spool: Path | None) -> tuple[BinaryIO, str]:
    if path_or_stream == "-":
        return spooled(sys.stdin.buffer, spool), "stdin"
    if not isinstance(path_or_stream, (str, os.PathLike)):
        name = str(getattr(path_or_stream, "name", "the stream"))
        return (path_or_stream if path_or_stream.seekable() else spooled(path_or_stream, spool)), name
    path = Path(path_or_stream)
    try:
        return path.open("rb"), path.name
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path} cannot be read: {why}", hint="check the path of the list") from error


def spooled(stream: BinaryIO, folder: Path | None) -> BinaryIO:
    """A copy of a stream in an unnamed file, which disappears with the process."""
    where = folder or Path(tempfile.gettempdir())
    try:
        where.mkdir(parents=True, exist_ok=True)
        kept = cast(BinaryIO, tempfile.TemporaryFile(dir=where))  # noqa: SIM115  the Source closes it
        try:
            shutil.copyfileobj(stream, kept, 1 << 20)
            kept.flush()
        except BaseException:
            with suppress(OSError):  # closing would write the rest
                kept.close()
            raise
    except OSError as error:
        raise DispatcherError(
            f"The list cannot be spooled in {where}: {error.strerror or error}. Nothing was loaded.",
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
    start = sample.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise UsageError(f"{name} is empty", hint=_KNOWN)
    if sample.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(stream, name)
    for magic, what, hint in _NOT_TABLES:
        if start.startswith(magic):
            raise UsageError(f"{name} {what}, not a table", hint=hint)
    if re.match(rb"\[\s*[{\]]", start):
        raise UsageError(f"{name} is a JSON array", hint="write one object a line (JSONL)")
    if start.startswith(b"{") or Path(name).suffix.lower() in (".jsonl", ".ndjson"):
        return "jsonl"
    return "csv"


def _zipped(stream: BinaryIO, name: str) -> Format:
    try:
        with zipfile.ZipFile(stream) as archive:
            if "xl/workbook.xml" in archive.namelist():
                return "xlsx"
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UsageError(f"{name} is a damaged ZIP or XLSX file", hint="save or copy it again") from error
    raise UsageError(f"{name} is a ZIP file, not an XLSX workbook", hint="unpack it, or save the list as XLSX")


_OPENERS: dict[str, Callable[[BinaryIO, str], Table]] = {
    "csv": open_delimited,
    "xlsx": open_xlsx,
    "jsonl": open_jsonl,
}
