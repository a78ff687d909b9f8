"""JSONL: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from dispatcher.errors import UsageError
from dispatcher.ingest import decoding
from dispatcher.ingest.blocks import Block
from dispatcher.ingest.inline import Collector, keys_of
from dispatcher.ingest.lines import BLOCK_BYTES, MAX_LINE, line_blocks

_BOM = b"\xef\xbb\xbf"


class JsonlTable:
    """An opened JSONL file: the keys in its first megabyte are its headings."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """Read the headings; UsageError when no line is an object."""
        stream.seek(0)
        sample = stream.read(BLOCK_BYTES)
        self._stream = stream
        self._start = len(_BOM) if sample.startswith(_BOM) else 0
        self._utf8 = decoding.is_utf8(sample)
        lines = decoding.decode(sample[self._start :], utf8=self._utf8).split("\n")
        self.columns = keys_of(map(_parsed, lines))
        if not self.columns:
            raise UsageError(f"{name} has no JSON object", hint='write one object a line: {"telefono": "11..."}')

    def blocks(self, wanted: Sequence[int], batch_rows: int) -> Iterator[Block]:
        """Yield the objects; see `Table`."""
        self._stream.seek(self._start)
        collector = Collector(self.columns, wanted)
        names = [self.columns[at] for at in wanted]
        number = position = 0
        for data, read in line_blocks(self._stream, old_mac=False):
            position = self._start + read
            for line in decoding.decode(data, utf8=self._utf8).removesuffix("\n").split("\n"):
                number += 1
                _take(collector, number, line, names)
                if len(collector) >= batch_rows:
                    yield collector.flush(position)
        if len(collector):
            yield collector.flush(position)


def open_jsonl(stream: BinaryIO, name: str) -> JsonlTable:
    """Open `stream` as JSONL."""
    return JsonlTable(stream, name)


def _take(collector: Collector, number: int, line: str, names: list[str]) -> None:
    line = line.strip()
    if not line:
        return
    if len(line.encode("utf-8", "replace")) > MAX_LINE:
        return collector.invalid(number, line, "row_too_long", f"the line is longer than {MAX_LINE} bytes")
    row = _parsed(line)
    if isinstance(row, dict):
        return collector.add(number, line, [row.get(name) for name in names])
    if "\x00" in line:
        detail = "the line contains a NUL byte (shown as \\x00): the file is damaged there, write it again"
        return collector.invalid(number, line, "nul_byte", detail)
    return collector.invalid(number, line, "bad_json", "the line is not a JSON object: write {...} on one line")


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
