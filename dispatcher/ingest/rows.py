"""Delimited text: finds out its form, and reads it in blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl

from dispatcher.errors import UsageError
from dispatcher.ingest import decoding, quotes
from dispatcher.ingest.blocks import Block, InvalidRow
from dispatcher.ingest.lines import BLOCK_BYTES, MAX_LINE, is_old_mac, line_blocks
from dispatcher.ingest.splitter import Splitter

SEPARATORS = (",", ";", "\t")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f]")
_HINT = (
    "expected CSV text with the headings in the first line, XLSX, or JSONL; "
    "save the list as 'CSV UTF-8' or XLSX and try again"
)


@dataclass
class DelimitedTable:
    """An opened CSV file: its headings are read, its rows are not."""

    stream: BinaryIO
    columns: list[str]
    separator: str
    utf8: bool
    old_mac: bool
    header_end: int  # bytes
    header_lines: int

    def blocks(self, wanted: Sequence[int], batch_rows: int) -> Iterator[Block]:
        """Yield the rows below the headings; see `Table`."""
        self.stream.seek(self.header_end)
        splitter = Splitter(self.separator, len(self.columns), wanted, self.header_lines + 1)
        position = self.header_end
        for data, read in line_blocks(self.stream, old_mac=self.old_mac):
            position = self.header_end + read
            text = decoding.decode(data, utf8=self.utf8)
            yield from _sliced(*splitter.take(text, last=False), position, batch_rows)
        yield from _sliced(*splitter.take("", last=True), position, batch_rows)


def open_delimited(stream: BinaryIO, name: str) -> DelimitedTable:
    """Read the headings of `stream`; UsageError when it is not text, or has no headings."""
    stream.seek(0)
    sample = stream.read(BLOCK_BYTES)
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"{name} is UTF-16 text", hint="save it as 'CSV UTF-8' or XLSX and try again")
    bom = 3 if sample.startswith(b"\xef\xbb\xbf") else 0
    old_mac = is_old_mac(sample)
    utf8 = decoding.is_utf8(sample)
    body = sample[bom:].replace(b"\r", b"\n") if old_mac else sample[bom:]
    lines = [line + b"\n" for line in body[: MAX_LINE * 2].split(b"\n")]
    skipped, told = _before_header(lines)
    if skipped == len(lines):
        raise UsageError(f"{name} is empty", hint=_HINT)
    if len(lines[skipped]) > MAX_LINE:
        raise UsageError(f"{name} is not a table: its first line has more than {MAX_LINE // 1024} KB", hint=_HINT)
    taken, text = _header_text(lines[skipped:], utf8)
    if _CONTROL.search(text):
        raise UsageError(f"{name} is not a table: its first line is not text", hint=_HINT)
    separator = told or _sniff(text)
    fields = quotes.split(text, separator)
    names = [heading.strip() for heading in (fields if isinstance(fields, list) else text.split(separator))]
    while len(names) > 1 and not names[-1]:
        names.pop()
    return DelimitedTable(
        stream=stream,
        columns=names,
        separator=separator,
        utf8=utf8,
        old_mac=old_mac,
        header_end=min(bom + sum(len(line) for line in lines[: skipped + taken]), len(sample)),
        header_lines=skipped + taken,
    )


def _before_header(lines: list[bytes]) -> tuple[int, str | None]:
    """Count the lines above the headings: blank ones, and the `sep=;` line that spreadsheets read and write."""
    for at, line in enumerate(lines):
        text = line.strip(b" \t\r\n\x1a")
        if text.lower().startswith(b"sep=") and text[4:].decode("latin-1") in SEPARATORS:
            return at + 1, text[4:].decode("latin-1")
        if text.lower() == b"sep=":
            return at + 1, "\t"
        if text:
            return at, None
    return len(lines), None


def _header_text(lines: list[bytes], utf8: bool) -> tuple[int, str]:
    """Return how many lines the headings take (a quoted one may contain a line break), and their text."""
    text = ""
    for taken, line in enumerate(lines[: quotes.MAX_LINES], 1):
        text += decoding.decode(line, utf8=utf8)
        row = text.rstrip("\r\n")
        if quotes.split(row, _sniff(row)) is not quotes.Broken.OPEN:
            return taken, row
    return 1, decoding.decode(lines[0], utf8=utf8).rstrip("\r\n")


def _sniff(header: str) -> str:
    bare = re.sub(r'"(?:[^"]|"")*"', "", header)
    return max(SEPARATORS, key=bare.count)


def _sliced(frame: pl.DataFrame, invalid_rows: list[InvalidRow], position: int, batch_rows: int) -> Iterator[Block]:
    """Divide a frame into batches; the invalid rows go with the first."""
    if frame.height or invalid_rows:
        yield Block(frame.head(batch_rows), invalid_rows, position)
    for start in range(batch_rows, frame.height, batch_rows):
        yield Block(frame.slice(start, batch_rows), [], position)
