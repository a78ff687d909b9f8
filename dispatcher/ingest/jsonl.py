"""JSONL: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, BinaryIO

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import encodings
from dispatcher.ingest.blocks import Block
from dispatcher.ingest.decoding import CODE_PAGES
from dispatcher.ingest.inline import Collector, Keys
from dispatcher.ingest.lines import MAX_LINE, after_marks, line_blocks
from dispatcher.ingest.reading import Reading, refuse_columns
from dispatcher.ingest.remarks import Remark

_MOST_DIGITS = 30
"""Digits before or behind the point of a number."""


class JsonlTable:
    """An opened JSONL file: the keys of all its objects are its headings."""

    separator = None

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """Read the keys; UsageError when no line is an object."""
        self._stream = stream
        self._start = after_marks(stream)
        self._encoding = encodings.find_out(stream, self._start, name)
        self._keys = Keys()
        for _, line, _ in self._lines():
            row = _parsed(line)
            if isinstance(row, dict):
                self._keys.add(row)
                refuse_columns(name, self._keys.count)
        self.columns = self._keys.columns
        self.remarks: list[Remark] = []
        if self._encoding.code_page != "cp1252":
            self.remarks.append(Remark("encoding", {"encoding": CODE_PAGES[self._encoding.code_page]}))
        if not self.columns:
            raise UsageError(
                worded("{name} has no JSON object", name=name),
                hint=translated('write one object a line: {"telefono": "11..."}'),
            )

    def blocks(self, wanted: Sequence[int], batch_rows: int) -> Iterator[Block]:
        """Yield the objects; see `Table`."""
        collector = Collector(self.columns, wanted)
        position = self._start
        for number, line, position in self._lines():
            self._take(collector, number, line, wanted)
            if len(collector) >= batch_rows:
                yield collector.flush(position)
        if len(collector):
            yield collector.flush(position)

    def _lines(self) -> Iterator[tuple[int, str, int]]:
        """Yield number and text of each line that is not blank, and the position behind its block."""
        self._stream.seek(self._start)
        number = 0
        for data, read in line_blocks(self._stream, old_mac=False):
            for line in self._encoding.decode(data).removesuffix("\n").split("\n"):
                number += 1
                if line := line.strip():
                    yield number, line, self._start + read

    def _take(self, collector: Collector, number: int, line: str, wanted: Sequence[int]) -> None:
        if len(line) > MAX_LINE or len(line.encode("utf-8", "replace")) > MAX_LINE:
            return collector.invalid(number, line, "row_too_long", limit=MAX_LINE)
        row = _parsed(line)
        if isinstance(row, dict):
            return collector.add_mapping(number, line, row, self._keys)
        return collector.invalid(number, line, "nul_byte" if "\x00" in line else "bad_json")


def open_jsonl(stream: BinaryIO, name: str, reading: Reading) -> JsonlTable:
    """Open `stream` as JSONL."""
    if reading.sheet is not None or reading.header_row is not None:
        asked = "sheets" if reading.sheet is not None else "heading row"
        raise UsageError(
            worded("{name} is JSONL and has no {asked}", name=name, asked=translated(asked)),
            hint=translated("leave out --sheet and --header-row"),
        )
    return JsonlTable(stream, name)


def _no_number(word: str) -> Any:
    raise ValueError(word)


def _as_written(number: str) -> Decimal | float:
    """Keep 1500.50 as it is written; what no list holds is infinite."""
    exact = Decimal(number)
    return exact if abs(exact.adjusted()) < _MOST_DIGITS else float("inf")


_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_as_written)


def _parsed(line: str) -> object:
    """Return what a line says; None when it is not JSON. `NaN` and `Infinity` are not."""
    try:
        return _DECODER.decode(line)
    except (ValueError, RecursionError):
        return None
