"""Delimited text: reads it in blocks, in the form that `header` found out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import BinaryIO

import polars as pl

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import encodings
from dispatcher.ingest.blocks import Block, InvalidRow
from dispatcher.ingest.decoding import CODE_PAGES, Encoding
from dispatcher.ingest.header import Header, find_header
from dispatcher.ingest.lines import BLOCK_BYTES, after_marks, is_old_mac, line_blocks
from dispatcher.ingest.reading import Reading, refuse_columns
from dispatcher.ingest.remarks import Remark
from dispatcher.ingest.splitter import Splitter

_WRAPPED = re.compile(r'(?m)^[ \t]*"((?:[^"\n]|"")*)"[ \t;,|]*(\r?)$')


@dataclass
class DelimitedTable:
    """An opened CSV file: its headings are read, its rows are not."""

    stream: BinaryIO
    columns: list[str]
    header: Header
    encoding: Encoding
    old_mac: bool
    header_end: int  # bytes
    remarks: list[Remark] = field(default_factory=list)

    @property
    def separator(self) -> str:
        """What divides the columns."""
        return self.header.separator

    def blocks(self, wanted: Sequence[int], batch_rows: int) -> Iterator[Block]:
        """Yield the rows below the headings; see `Table`."""
        self.stream.seek(self.header_end)
        splitter = Splitter(self.header.separator, len(self.columns), wanted, self.header.lines + 1)
        position = self.header_end
        for data, read in line_blocks(self.stream, old_mac=self.old_mac):
            position = self.header_end + read
            text = self.encoding.decode(data)
            if self.header.wrapped:
                text = unwrapped(text)
            if self.header.apostrophes:
                text = in_quotes(text, self.header.separator)
            yield from _sliced(*splitter.take(text, last=False), position, batch_rows)
        yield from _sliced(*splitter.take("", last=True), position, batch_rows)


def open_delimited(stream: BinaryIO, name: str, reading: Reading) -> DelimitedTable:
    """Read the headings of `stream`; UsageError when it is not text, or has no headings."""
    if reading.sheet is not None:
        raise UsageError(
            worded("{name} is a text file and has no sheets", name=name), hint=translated("leave out --sheet (sheet)")
        )
    start = after_marks(stream)
    sample = stream.read(BLOCK_BYTES)
    old_mac = is_old_mac(sample)
    # The rest of a list can be in any encoding, but what is no text at all is told as such.
    encodings.refuse_binary(sample, name)
    encoding = encodings.find_out(stream, start, name, old_mac=old_mac)
    body = sample.replace(b"\r", b"\n") if old_mac else sample
    lines = [line + b"\n" for line in body.split(b"\n")]
    header = find_header([encoding.decode(line) for line in lines], name, reading, whole=len(sample) < BLOCK_BYTES)
    names = list(header.columns)
    while len(names) > 1 and not names[-1]:
        names.pop()
    refuse_columns(name, sum(map(bool, names)))
    remarks = list(header.remarks)
    if encoding.code_page != "cp1252":
        remarks.insert(0, Remark("encoding", {"encoding": CODE_PAGES[encoding.code_page]}))
    return DelimitedTable(
        stream=stream,
        columns=names,
        header=header,
        encoding=encoding,
        old_mac=old_mac,
        header_end=start + min(sum(len(line) for line in lines[: header.lines]), len(sample)),
        remarks=remarks,
    )


def unwrapped(text: str) -> str:
    """Return `text` without the quotes around whole lines."""
    return _WRAPPED.sub(lambda found: found[1].replace('""', '"') + found[2], text)


def in_quotes(text: str, separator: str) -> str:
    """Return `text` with the values that are in single quotes in double ones."""
    return _in_apostrophes(separator).sub(
        lambda found: '"' + found[2].replace('"', '""').replace("''", "'") + '"', text
    )


@lru_cache
def _in_apostrophes(separator: str) -> re.Pattern[str]:
    divided = re.escape(separator)
    return re.compile(rf"(?m)(^|(?<={divided}))[ \t]{{0,20}}'((?:[^'\n]|'')*+)'[ \t]{{0,20}}(?={divided}|\r?$)")


def _sliced(frame: pl.DataFrame, invalid_rows: list[InvalidRow], position: int, batch_rows: int) -> Iterator[Block]:
    """Divide a frame into batches; the invalid rows go with the first."""
    if frame.height or invalid_rows:
        yield Block(frame.head(batch_rows), invalid_rows, position)
    for start in range(batch_rows, frame.height, batch_rows):
        yield Block(frame.slice(start, batch_rows), [], position)
