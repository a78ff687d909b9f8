"""Recipients that come as dicts: inside a request, or one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from dispatcher.ingest.blocks import Block, InvalidRow, schema, shown, storable
from dispatcher.ingest.values import shown_value


class Collector:
    """Gathers rows that were read one by one into a block."""

    def __init__(self, columns: Sequence[str], wanted: Sequence[int]) -> None:
        """Keep the values of the columns at the positions `wanted`."""
        self._wanted = list(wanted)
        self._names = [columns[at] for at in wanted]
        self._rows: list[tuple[str | int | None, ...]] = []
        self._invalid: list[InvalidRow] = []

    def __len__(self) -> int:
        return len(self._rows) + len(self._invalid)

    def invalid(self, line: int, raw: str, reason: str, detail: str) -> None:
        """Record a row that could not be read."""
        self._invalid.append(InvalidRow(line, shown(raw), None, reason, detail))

    def add(self, line: int, raw: str, values: Sequence[object]) -> None:
        """Add the values of a row, in the order of `wanted`; a list or an object among them makes the row invalid."""
        texts: list[str | None] = []
        for name, value in zip(self._names, values, strict=True):
            try:
                text = shown_value(value)
            except (TypeError, ValueError) as error:
                return self.invalid(line, raw, "value_nested", f"column {name!r}: {error}: write a text or a number")
            if text is not None and not storable(text):
                detail = f"column {name!r} contains a NUL or half a character: write the value again"
                return self.invalid(line, raw, "nul_byte", detail)
            texts.append(text)
        self._rows.append((line, shown(raw), *texts))
        return None

    def flush(self, position: int) -> Block:
        """Return the rows so far, and start again."""
        frame = pl.DataFrame(self._rows, schema=schema(self._wanted), orient="row")
        invalid_rows = self._invalid
        self._rows, self._invalid = [], []
        return Block(frame, invalid_rows, position)


class InlineTable:
    """A list of dicts as a table: the headings are the keys, in order of appearance."""

    def __init__(self, recipients: list[dict[str, object]]) -> None:
        """Read the keys; the list is not copied."""
        self._recipients = recipients
        self.columns = keys_of(recipients)

    def blocks(self, wanted: Sequence[int], batch_rows: int) -> Iterator[Block]:
        """Yield the recipients; see `Table`."""
        collector = Collector(self.columns, wanted)
        names = [self.columns[at] for at in wanted]
        for line, recipient in enumerate(self._recipients, 1):
            raw = repr(recipient) if not isinstance(recipient, Mapping) else _written(recipient)
            if isinstance(recipient, Mapping):
                collector.add(line, raw, [recipient.get(name) for name in names])
            else:
                collector.invalid(line, raw, "not_an_object", "a recipient must be an object with columns")
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


def keys_of(rows: Iterable[object]) -> list[str]:
    """Return the keys of all dicts in `rows`, each once."""
    found: dict[str, None] = {}
    for row in rows:
        if isinstance(row, Mapping):
            found.update(dict.fromkeys(str(key) for key in row))
    return list(found)


def _written(recipient: Mapping[str, object]) -> str:
    return json.dumps(recipient, ensure_ascii=False, default=str)
