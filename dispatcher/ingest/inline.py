"""Recipients that come as dicts: inside a request, or one JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from dispatcher.ingest.blocks import Block, InvalidRow, invalid, schema, shown, storable
from dispatcher.ingest.columns import fold
from dispatcher.ingest.reading import MAX_COLUMNS, refuse_columns
from dispatcher.ingest.remarks import Remark
from dispatcher.ingest.tidy import is_blank
from dispatcher.ingest.values import shown_value


class Keys:
    """The keys of all objects of a list. Keys that differ in case, accents and blanks alone are one column."""

    def __init__(self) -> None:
        """Start without a key."""
        self.columns: list[str] = []  # as the first object spells them
        self._position: dict[str, int] = {}  # by any spelling
        self._folded: dict[str, int] = {}

    def add(self, row: Mapping[Any, object]) -> None:
        """Take in the keys of one object."""
        for key in row:
            if key not in self._position:
                if self.count > MAX_COLUMNS:
                    return
                name = str(key)
                at = self._folded.setdefault(fold(name), len(self.columns))
                if at == len(self.columns):
                    self.columns.append(name)
                self._position[name] = at

    @property
    def count(self) -> int:
        """How many columns there are; when they are spelled in too many ways, how many ways."""
        return len(self.columns) if len(self._position) <= 10 * MAX_COLUMNS else len(self._position)

    def values(self, row: Mapping[str, object], wanted: Sequence[int]) -> list[object] | str:
        """Return the values at the positions `wanted`; the name of a column for which the object has two."""
        found: dict[int, object] = {}
        for key, value in row.items():
            at = self._position[str(key)]
            if found.get(at) in (None, ""):
                found[at] = value
            elif at in wanted and value not in (None, "") and value != found[at]:
                return self.columns[at]
        return [found.get(at) for at in wanted]


class Collector:
    """Gathers rows that were read one by one into a block."""

    def __init__(self, columns: Sequence[str], wanted: Sequence[int]) -> None:
        """Keep the values of the columns at the positions `wanted`."""
        self.wanted = list(wanted)
        self._names = [columns[at] for at in wanted]
        self._rows: list[tuple[str | int | None, ...]] = []
        self._invalid: list[InvalidRow] = []

    def __len__(self) -> int:
        return len(self._rows) + len(self._invalid)

    def invalid(self, line: int, raw: str, reason: str, **facts: object) -> None:
        """Record a row that could not be read."""
        self._invalid.append(invalid(line, raw, reason, facts))

    def add_mapping(self, line: int, raw: str, row: Mapping[str, object], keys: Keys) -> None:
        """Add an object; one in which no column holds anything is skipped."""
        if all(value is None or (isinstance(value, str) and is_blank(value)) for value in row.values()):
            return None
        values = keys.values(row, self.wanted)
        if isinstance(values, str):
            return self.invalid(line, raw, "two_values", column=values)
        return self.add(line, raw, values)

    def add(self, line: int, raw: str, values: Sequence[object]) -> None:
        """Add the values of a row, in the order of `wanted`; a list or an object among them makes the row invalid."""
        texts: list[str | None] = []
        for name, value in zip(self._names, values, strict=True):
            if isinstance(value, float) and not math.isfinite(value):
                return self.invalid(line, raw, "bad_json", column=name, value=str(value))
            try:
                text = shown_value(value)
            except (TypeError, ValueError):
                return self.invalid(line, raw, "value_nested", column=name, kind=type(value).__name__)
            if text is not None and not storable(text):
                return self.invalid(line, raw, "nul_byte", column=name)
            texts.append(text)
        return self.add_texts(line, raw, texts)

    def add_texts(self, line: int, raw: str, texts: Sequence[str | None]) -> None:
        """Add a row of texts that a database can hold."""
        self._rows.append((line, shown(raw), *texts))

    def flush(self, position: int) -> Block:
        """Return the rows so far, and start again."""
        frame = pl.DataFrame(self._rows, schema=schema(self.wanted), orient="row")
        invalid_rows = self._invalid
        self._rows, self._invalid = [], []
        return Block(frame, invalid_rows, position)


class InlineTable:
    """A list of dicts as a table: the headings are the keys, in order of appearance."""

    remarks: Sequence[Remark] = ()
    separator = None

    def __init__(self, recipients: list[dict[str, object]]) -> None:
        """Read the keys; the list is not copied."""
        self._recipients = recipients
        self._keys = Keys()
        for recipient in recipients:
            if isinstance(recipient, Mapping):
                self._keys.add(recipient)
        self.columns = self._keys.columns
        refuse_columns("the list of recipients", self._keys.count)

    def blocks(self, wanted: Sequence[int], batch_rows: int) -> Iterator[Block]:
        """Yield the recipients; see `Table`."""
        collector = Collector(self.columns, wanted)
        for line, recipient in enumerate(self._recipients, 1):
            if isinstance(recipient, Mapping):
                collector.add_mapping(line, _written(recipient), recipient, self._keys)
            else:
                collector.invalid(line, repr(recipient), "not_an_object")
            if len(collector) >= batch_rows:
                yield collector.flush(line)
        if len(collector):
            yield collector.flush(len(self._recipients))

    def as_jsonl(self, piece_bytes: int) -> Iterator[bytes]:
        """The recipients as they came, one JSON object a line, in pieces of about this many bytes."""
        lines: list[bytes] = []
        held = 0
        for recipient in self._recipients:
            # What is nested without end or no JSON became an invalid row, and is kept in some form there.
            line = json.dumps(recipient, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n"
            lines.append(line)
            held += len(line)
            if held >= piece_bytes:
                yield b"".join(lines)
                lines, held = [], 0
        if lines:
            yield b"".join(lines)


def _written(recipient: Mapping[str, object]) -> str:
    return json.dumps(recipient, ensure_ascii=False, default=str)
