"""The file of invalid rows: the columns of the list as they were, then why, what to do, and the line.

It has the separator of its list and a byte order mark, so that it opens in the spreadsheet that the list came from. It
can be mended and loaded as it is. A list that was a workbook gets a workbook beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Engine, select

from dispatcher.campaigns import list_record
from dispatcher.campaigns.export_file import target
from dispatcher.db.transactions import take_time
from dispatcher.domain import reasons
from dispatcher.domain.display import in_sheet
from dispatcher.domain.formulas import harmless, harmless_in_csv
from dispatcher.ingest import INVALID_COLUMNS, Source, quotes
from dispatcher.ingest import columns as headings
from dispatcher.ingest.blocks import written
from dispatcher.ingest.tidy import tidy_text
from dispatcher.ingest.values import shown_value
from schemas import tables

SEPARATOR = ";"
"""Of lists that have none of their own: what a Spanish Excel splits at."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Row = tuple[int, str, str, Mapping[str, Any]]
"""Line, raw, reason, facts."""


def as_line(cells: Iterable[str], separator: str) -> bytes:
    """A line of CSV that no spreadsheet takes for formulas."""
    return written([*map(harmless_in_csv, cells)], separator).encode() + b"\r\n"


def write(engine: Engine, campaign_id: int, folder: Path, *, list_no: int = 1, separator: str = SEPARATOR) -> Path:
    """Write the invalid rows of one list of a campaign. Returns the CSV file."""
    with engine.connect() as connection:
        kept = list_record.read(connection, campaign_id, list_no)
    row = tables.invalid_row
    wanted = (
        select(row.c.line, row.c.raw, row.c.reason, row.c.facts)
        .where(row.c.campaign_id == campaign_id, row.c.list_no == list_no)
        .order_by(row.c.line)
    )
    part = "" if list_no == 1 else f"-{list_no}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"campaign-{campaign_id}-invalid{part}.csv"
    form = Form(kept.format, list(kept.columns), kept.separator or separator)
    for each, writer in form.files(path):
        with engine.connect() as connection, writer(each) as add:
            take_time(connection)
            for found in connection.execute(wanted.execution_options(yield_per=5_000)):
                add(form.cells(tuple(found)))
    return path


def write_refused(source: Source, invalid_rows: pl.DataFrame, folder: Path, *, separator: str = SEPARATOR) -> Path:
    """Write the rows of a list of which none is good, and which became no campaign. Returns the CSV file."""
    return write_checked(source, [invalid_rows], folder, separator=separator)


def write_checked(source: Source, parts: Iterable[pl.DataFrame], folder: Path, *, separator: str = SEPARATOR) -> Path:
    """Write the invalid rows of a list that became no campaign, part by part. Returns the CSV file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(source.name).stem or 'list'}-invalid.csv"
    form = Form(source.format, list(source.table.columns), source.table.separator or separator)
    columns = ("line", "raw", "reason", "facts")
    with ExitStack() as stack:
        adds = [stack.enter_context(writer(each)) for each, writer in form.files(path)]
        for part in parts:
            for line, raw, reason, facts in part.select(columns).iter_rows():
                cells = form.cells((line, raw, reason, json.loads(facts)))
                for add in adds:
                    add(cells)
    return path


def cells_of(kept: Any, raw: str) -> dict[str, str | None] | None:
    """The cells of a row by the headings of its list; None when they do not fit."""
    form = Form(kept.format, list(kept.columns), kept.separator)
    values = form.values(raw)
    if len(values) == 1 and len(kept.columns) > 1 and values[0] == raw:
        return None
    return {name: values[at] if at < len(values) else None for at, name in enumerate(kept.columns)}


class Form:
    """How the rows of one list are given back."""

    def __init__(self, format: str, columns: list[str], separator: str | None) -> None:
        self._format = format
        self._all = columns
        self._places = list_record.original(columns)
        self._separator = separator or SEPARATOR
        self._keys: dict[str, str] = {}  # as objects spell them → the heading

    def files(self, path: Path) -> Iterator[tuple[Path, Any]]:
        """The files to write, each with its writer."""
        yield path, self._csv
        if self._format == "xlsx":
            yield path.with_suffix(".xlsx"), self._xlsx

    def cells(self, row: Row) -> list[str]:
        """The cells of one row: those of the list, why, what to do, the line."""
        line, raw, reason, facts = row
        values = self.values(raw)
        mine = [values[at] if at < len(values) else "" for at in self._places]
        return [*mine, *reasons.halves(reason, facts), str(line)]

    def headings(self) -> list[str]:
        """The headings of those cells."""
        return [*self.list_headings(), *INVALID_COLUMNS]

    def list_headings(self) -> list[str]:
        """Those of the list alone."""
        return [self._all[at] for at in self._places]

    def values(self, raw: str) -> list[str]:
        """The values of a row as it was written; a row that cannot be split stays whole, in the first column."""
        if self._format in ("jsonl", "inline"):
            try:
                found = json.loads(raw)
            except (ValueError, RecursionError):
                found = None
            return self._of_object(found) if isinstance(found, dict) else [raw]
        separator = self._separator if self._format == "csv" else SEPARATOR
        fields = quotes.split(raw, separator)
        if not isinstance(fields, list) or any(field.strip() for field in fields[len(self._all) :]):
            return [raw]
        return fields

    def _of_object(self, row: Mapping[str, object]) -> list[str]:
        """The values of an object, whose keys need not be spelled like those of the first one."""
        values: dict[str, str] = {}
        for key, value in row.items():
            if key not in self._keys:
                self._keys[key] = headings.fold(tidy_text(key))
            if (text := _shown(value)) or self._keys[key] not in values:
                values[self._keys[key]] = text
        return [values.get(headings.fold(name), "") for name in self._all]

    @contextmanager
    def _csv(self, path: Path) -> Iterator[Any]:
        with target(path, force=True) as stream:

            def add(cells: Iterable[str]) -> None:
                stream.write(as_line(cells, self._separator))

            stream.write(BYTE_ORDER_MARK)
            add(self.headings())
            yield add

    @contextmanager
    def _xlsx(self, path: Path) -> Iterator[Any]:
        with target(path, force=True) as stream:
            import openpyxl  # takes a tenth of a second, and most lists do not need it

            book = openpyxl.Workbook(write_only=True)
            sheet = book.create_sheet("invalid")

            def add(cells: Iterable[str]) -> None:
                sheet.append([in_sheet(harmless(cell)) for cell in cells])

            add(self.headings())
            yield add
            book.save(stream)


def _shown(value: object) -> str:
    try:
        return shown_value(value) or ""
    except (TypeError, ValueError):
        return json.dumps(value, ensure_ascii=False, default=str)
