"""The rows of a list that became no message: as pages, and as a stream of the whole.

As CSV it can be mended and loaded again, as the file that the command line writes. Lists that were appended follow the
first one; headings that only they have come after its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, Select, select, tuple_

from dispatcher.db.transactions import take_time
from dispatcher.domain import reasons
from dispatcher.i18n import words
from schemas import tables

_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True)
class InvalidRow:
    """One row, as it was and why it is none."""

    list_no: int
    line: int
    columns: dict[str, str | None] | None  # by heading; None when its cells do not fit them
    raw: str
    reason: str
    code: int | None
    detail: str


def page(connection: Connection, campaign_id: int, after: tuple[int, int], limit: int) -> list[InvalidRow]:
    """Rows in order of list and line, after the one that is known."""
    row = tables.invalid_row
    wanted = _rows(campaign_id).where(tuple_(row.c.list_no, row.c.line) > after).limit(limit)
    return _read(connection.execute(wanted).all(), _lists(connection, campaign_id))


def stream(engine: Engine, campaign_id: int, kind: Literal["ndjson", "csv"]) -> Iterator[bytes]:
    """All rows in order of list and line, in constant memory."""
    # Each part of an answer is made in a context of its own, which does not know the caller's language any more.
    return _parts(engine, campaign_id, kind, words.current())


def _parts(
    engine: Engine, campaign_id: int, kind: Literal["ndjson", "csv"], language: words.Language
) -> Iterator[bytes]:
    with engine.connect() as connection:
        take_time(connection)
        lists = _lists(connection, campaign_id)
        table = _Table(lists)
        if kind == "csv":
            yield table.head()
        found = connection.execute(_rows(campaign_id).execution_options(yield_per=_ROWS_AT_ONCE))
        for rows in found.partitions():
            with words.speaking(language):
                part = table.lines(rows) if kind == "csv" else _objects(_read(rows, lists))
            yield part


def _rows(campaign_id: int) -> Select[Any]:
    row = tables.invalid_row
    return select(row).where(row.c.campaign_id == campaign_id).order_by(row.c.list_no, row.c.line)


def _lists(connection: Connection, campaign_id: int) -> dict[int, Any]:
    lists = tables.campaign_list
    wanted = select(lists).where(lists.c.campaign_id == campaign_id).order_by(lists.c.list_no)
    return {each.list_no: each for each in connection.execute(wanted)}


def _read(rows: Iterable[Row[Any]], lists: dict[int, Any]) -> list[InvalidRow]:
    from dispatcher.campaigns import invalid_file  # polars comes with them
    from dispatcher.ingest.blocks import shown

    return [
        InvalidRow(
            list_no=each.list_no,
            line=each.line,
            columns=invalid_file.cells_of(lists[each.list_no], each.raw),
            raw=each.raw,
            reason=each.reason,
            code=each.code,
            detail=shown(reasons.say(each.reason, each.facts)),
        )
        for each in rows
    ]


def _objects(rows: list[InvalidRow]) -> bytes:
    return b"".join(json.dumps(vars(row), ensure_ascii=False).encode() + b"\n" for row in rows)


class _Table:
    """One table of the rows of all lists of a campaign."""

    def __init__(self, lists: dict[int, Any]) -> None:
        from dispatcher.campaigns import invalid_file  # polars comes with it
        from dispatcher.ingest import INVALID_COLUMNS
        from dispatcher.ingest.columns import fold

        self._file = invalid_file
        first = next(iter(lists.values()), None)
        self._separator = (first and first.separator) or invalid_file.SEPARATOR
        self._forms = {
            n: invalid_file.Form(each.format, list(each.columns), each.separator) for n, each in lists.items()
        }
        names: dict[str, str] = {}
        for form in self._forms.values():
            for name in form.list_headings():
                names.setdefault(fold(name), name)
        at = {name: place for place, name in enumerate(names)}
        self._places = {n: [at[fold(name)] for name in form.list_headings()] for n, form in self._forms.items()}
        self._names = list(names.values())
        self._headings = [*self._names, *INVALID_COLUMNS]

    def head(self) -> bytes:
        """The line of the headings."""
        return self._file.BYTE_ORDER_MARK + self._file.as_line(self._headings, self._separator)

    def lines(self, rows: Iterable[Row[Any]]) -> bytes:
        """Some rows."""
        return b"".join(self._file.as_line(self._cells(row), self._separator) for row in rows)

    def _cells(self, row: Row[Any]) -> list[str]:
        cells = self._forms[row.list_no].cells((row.line, row.raw, row.reason, row.facts))
        mine = [""] * len(self._names)
        places = self._places[row.list_no]
        for place, cell in zip(places, cells, strict=False):
            mine[place] = cell
        return [*mine, *cells[len(places) :]]
