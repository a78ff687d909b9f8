"""What every kind of file becomes before its rows are checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import polars as pl

from dispatcher.domain import reasons
from dispatcher.ingest.remarks import Remark

RAW_LIMIT = 20_000
"""Characters of an invalid row that are kept."""

_FACT_LIMIT = 100
_FACTS_LISTED = 30
_QUOTED = frozenset(',;|\t"\r\n')


class InvalidRow(NamedTuple):
    """A row that cannot become a message: its line, its content, and why.

    Attributes:
        facts: what the sentence in `detail` says, as JSON.
    """

    line: int
    raw: str
    code: int | None
    reason: str
    detail: str
    facts: str = "{}"


def invalid(line: int, raw: str, reason: str, facts: Mapping[str, Any]) -> InvalidRow:
    """Make an invalid row of a reason that `reasons` words."""
    kept = {name: _bounded(value) for name, value in facts.items()}
    said = shown(reasons.say(reason, kept, "en"))
    return InvalidRow(line, shown(raw), reasons.code(reason), reason, said, json.dumps(kept, ensure_ascii=False))


def _bounded(value: Any) -> Any:
    """Return what a sentence says in a form that can be stored: a heading may be long, or no text at all."""
    if isinstance(value, str):
        return shown(value[:_FACT_LIMIT])
    return [_bounded(each) for each in value[:_FACTS_LISTED]] if isinstance(value, list) else value


@dataclass(frozen=True)
class Block:
    """Some rows of a file, in its order.

    Attributes:
        frame: `line` int64, `raw` str, and one str column per position asked for, named by `column()`; a null
            there is a value that the row does not have.
        invalid_rows: rows that could not be split into fields.
        position: how far into the source the block reaches, in the units of `Source.size`.
    """

    frame: pl.DataFrame
    invalid_rows: list[InvalidRow]
    position: int


class Table(Protocol):
    """A file whose rows have headings."""

    @property
    def columns(self) -> Sequence[str]:
        """The headings, in order."""
        ...

    @property
    def remarks(self) -> Sequence[Remark]:
        """What was taken for granted; complete once all rows have been read."""
        ...

    @property
    def separator(self) -> str | None:
        """What divides the columns, in delimited text."""
        ...

    def blocks(self, wanted: Sequence[int], batch_rows: int) -> Iterator[Block]:
        """Yield the rows, at most `batch_rows` a block, with the columns at the positions `wanted`."""
        ...


def column(position: int) -> str:
    """Return the name that the column at `position` has in a block."""
    return f"c{position}"


def written(values: Sequence[str], separator: str = ";") -> str:
    """Return values as one line of CSV; with `;`, the raw form of a row that has none of its own.

    What another program splits at is in quotes, too.
    """
    quoted = _QUOTED | {separator}
    if quoted.isdisjoint("".join(values)):
        return separator.join(values)
    return separator.join(
        value if quoted.isdisjoint(value) else f'"{value.replace(chr(34), chr(34) * 2)}"' for value in values
    )


def schema(wanted: Sequence[int]) -> dict[str, type[pl.DataType]]:
    """Return the columns of a block's frame."""
    return {"line": pl.Int64, "raw": pl.String} | {column(position): pl.String for position in wanted}


def shown(raw: str) -> str:
    """Return `raw` in a form that can be stored and shown: bounded, and with a NUL written as \\x00."""
    cut = raw[:RAW_LIMIT].replace("\x00", "\\x00")
    return cut[:RAW_LIMIT] if _encodes(cut) else cut.encode("utf-8", "backslashreplace").decode()[:RAW_LIMIT]


def storable(value: str) -> bool:
    """Tell whether a database can hold `value`: no NUL, no half of a surrogate pair."""
    return "\x00" not in value and _encodes(value)


def _encodes(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
