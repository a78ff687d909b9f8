"""A list as it came, with what became of each row behind it: for whoever works on in the spreadsheet that it was.

It can be made as long as all lists of the campaign are kept; those of several stand one under the other, each cell
under its heading. Rows that no reader could split are not in it: they are in the file of invalid rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, CursorResult, Engine, column, select, table

from dispatcher.campaigns import details, kept_rows, list_record
from dispatcher.campaigns.export_file import target
from dispatcher.campaigns.export_list import starts_of
from dispatcher.config import Settings
from dispatcher.db.transactions import pin_ordered_lookups, take_time
from dispatcher.domain import reasons
from dispatcher.domain.display import in_sheet
from dispatcher.domain.formulas import harmless, harmless_in_csv
from dispatcher.domain.window import provider_local
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.i18n import terms
from dispatcher.i18n.words import translated
from dispatcher.ingest import Reading, Source
from dispatcher.ingest.blocks import column as named
from dispatcher.ingest.blocks import written
from dispatcher.uploads import reading
from dispatcher.uploads.store import Upload
from schemas import tables

_AT_ONCE = 5_000
_ROWS_OF_A_SHEET = 1_048_575
_RESULT = ("status", "result_code", "result_text", "submitted_at", "processed_at")
_VIEW = table("message_status", *map(column, ("campaign_id", "seq", *_RESULT)))


def write(engine: Engine, settings: Settings, campaign_id: int, kind: str, path: Path) -> int:
    """Write the lists with their results as csv or xlsx. Returns how many rows.

    Raises:
        UsageError: a list is not kept any longer, or it is not known which list a message came of.
    """
    rows = 0
    with engine.connect() as connection:
        take_time(connection)
        kept_rows.require(connection, campaign_id)
        pin_ordered_lookups(connection)
        lists = _lists(connection, campaign_id)
        headings = list(dict.fromkeys(name for each in lists for name in each.headings))
        with target(path, force=True) as stream, _FORMS[kind](stream, settings.csv_divider) as form:
            form.add([*headings, *_headings()])
            for each in lists:
                with (
                    closing(_Became(connection, campaign_id, each)) as became,
                    _open(engine, settings, each) as source,
                ):
                    for line, cells in _rows(source, headings):
                        form.add([*cells, *became.of(line)])
                        rows += 1
    return rows


def _rows(source: Source, headings: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Each row of a list with its line, its cells under `headings`."""
    columns, wanted = source.table.columns, range(len(source.table.columns))
    places = list_record.original(list(columns))
    under = [headings.index(columns[at]) for at in places]
    for block in source.table.blocks(wanted, _AT_ONCE, set(wanted), needed=()):
        for line, *found in block.frame.select("line", *(named(at) for at in places)).iter_rows():
            cells = [""] * len(headings)
            for at, cell in zip(under, found, strict=True):
                cells[at] = "" if cell is None else cell
            yield line, cells


def row_at(engine: Engine, settings: Settings, campaign_id: int, line: int, seq: int = 1) -> list[tuple[str, str]]:
    """The row of the list of a message at a line, as pairs of heading and cell; empty when there is none.

    The list is read up to it.

    Raises:
        UsageError: a list is not kept any longer, or it is not known which list a message came of.
    """
    with engine.connect() as connection:
        its = [each for each in _lists(connection, campaign_id) if each.first_seq <= seq][-1]
    with _open(engine, settings, its) as source:
        columns = source.table.columns
        wanted = range(len(columns))
        for block in source.table.blocks(wanted, _AT_ONCE, set(wanted), needed=()):
            found = block.frame.filter(pl.col("line") == line)
            if found.height:
                cells = found.select(named(at) for at in wanted).row(0)
                return [(name, cell or "") for name, cell in zip(columns, cells, strict=True)]
            if block.frame.height and block.frame["line"][-1] > line:
                break
    return []


@dataclass(frozen=True, slots=True)
class _List:
    """A list that is kept, how it was read, and the `seq` of its messages; `last_seq` None = the last list."""

    list_no: int
    upload: Upload
    options: dict[str, Any]
    headings: list[str]
    first_seq: int
    last_seq: int | None


def _lists(connection: Connection, campaign_id: int) -> list[_List]:
    kept = details.kept_lists(connection, campaign_id)
    if not kept:
        raise UsageError(
            translated("A list of this campaign is not kept any longer."),
            hint=translated("Download the results without its columns."),
        )
    starts = starts_of(connection, campaign_id)
    found = []
    for list_no, upload in kept.items():
        known = list_record.read(connection, campaign_id, list_no)
        own = [known.columns[at] for at in list_record.original(known.columns)]
        after = starts.get(list_no + 1)
        last = after - 1 if after is not None else None
        found.append(_List(list_no, upload, known.options, own, starts[list_no], last))
    return found


def _open(engine: Engine, settings: Settings, its: _List) -> Source:
    asked = {name: its.options.get(name) for name in ("to_column", "sheet", "header_row")}
    visible_only = bool(its.options.get("visible_only"))
    how = Reading(**asked, visible_only=visible_only, unpacked_max=settings.unpacked_max)
    return reading.open_list(engine, its.upload, spool(settings.home), how)


def _headings() -> list[str]:
    return [
        translated("Status"),
        translated("Code"),
        translated("The provider's words"),
        translated("Handed in"),
        translated("Result"),
    ]


class _Became:
    """What became of the lines of a list, asked for in ascending order: two streams that are read side by side."""

    def __init__(self, connection: Connection, campaign_id: int, its: _List) -> None:
        message, row = tables.message, tables.invalid_row
        both = (_VIEW.c.campaign_id == message.c.campaign_id) & (_VIEW.c.seq == message.c.seq)
        results = (
            select(message.c.line, *(_VIEW.c[name] for name in _RESULT))
            .join_from(message, _VIEW, both)
            .where(message.c.campaign_id == campaign_id, message.c.seq >= its.first_seq)
            .order_by(message.c.seq)
        )
        if its.last_seq is not None:
            results = results.where(message.c.seq <= its.last_seq)
        invalid = (
            select(row.c.line, row.c.reason, row.c.facts)
            .where(row.c.campaign_id == campaign_id, row.c.list_no == its.list_no)
            .order_by(row.c.line)
        )
        self._results = _Stream(connection.execute(results.execution_options(yield_per=_AT_ONCE)))
        self._invalid = _Stream(connection.execute(invalid.execution_options(yield_per=_AT_ONCE)))

    def close(self) -> None:
        """Read no more of them."""
        self._results.close()
        self._invalid.close()

    def of(self, line: int) -> list[Any]:
        """The cells of a line's result."""
        if (found := self._results.at(line)) is not None:
            _, status, code, words, submitted, processed = found
            return [terms.status(status), code, words, _local(submitted), _local(processed)]
        if (refused := self._invalid.at(line)) is not None:
            return [translated("invalid row"), None, reasons.say(refused[1], refused[2]), None, None]
        return ["", None, None, None, None]


class _Stream:
    """Rows in ascending order of their line."""

    def __init__(self, result: CursorResult[Any]) -> None:
        self.close = result.close
        self._rows: Iterator[Any] = iter(result)
        self._next = next(self._rows, None)

    def at(self, line: int) -> Any:
        """The row of a line; None when it has none."""
        while self._next is not None and self._next[0] < line:
            self._next = next(self._rows, None)
        return self._next if self._next is not None and self._next[0] == line else None


def _local(moment: datetime | None) -> datetime | None:
    return None if moment is None else provider_local(moment).replace(tzinfo=None, microsecond=0)


class _Csv:
    """Rows as CSV, with a mark that says UTF-8 to a spreadsheet."""

    def __init__(self, stream: Any, separator: str) -> None:
        self._stream, self._separator = stream, separator

    def __enter__(self) -> _Csv:
        self._stream.write(b"\xef\xbb\xbf")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, cells: list[Any]) -> None:
        """One row."""
        texts = ["" if cell is None else str(cell) for cell in cells]
        self._stream.write(written([*map(harmless_in_csv, texts)], self._separator).encode() + b"\r\n")


class _Xlsx:
    """Rows as a workbook, in as many sheets as they need."""

    def __init__(self, stream: Any, separator: str) -> None:
        self._stream, self._rows = stream, 0

    def __enter__(self) -> _Xlsx:
        import openpyxl  # takes a tenth of a second, and most commands do not need it

        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("list")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._book.save(self._stream)

    def add(self, cells: list[Any]) -> None:
        """One row."""
        if self._rows and self._rows % _ROWS_OF_A_SHEET == 0:
            self._sheet = self._book.create_sheet(f"list {self._rows // _ROWS_OF_A_SHEET + 1}")
        self._sheet.append([in_sheet(harmless(cell)) if isinstance(cell, str) else cell for cell in cells])
        self._rows += 1


_FORMS: dict[str, type[_Csv] | type[_Xlsx]] = {"csv": _Csv, "xlsx": _Xlsx}
