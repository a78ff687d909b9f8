"""The file of invalid rows: the columns of the list as they were, then why, what to do, and the line.

It has the separator of its list and a byte order mark, so that it opens in the spreadsheet that the list came from. It
can be mended and loaded as it is. A list that was a workbook gets a workbook beside it.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Engine, select

from dispatcher.campaigns import list_record
from dispatcher.campaigns.export import target
from dispatcher.db.transactions import take_time
from dispatcher.domain import reasons
from dispatcher.ingest import INVALID_COLUMNS, Source, quotes
from dispatcher.ingest.values import shown_value
from schemas import tables

SEPARATOR = ";"
"""Of lists that have none of their own: what a Spanish Excel splits at."""

Row = tuple[int, str, str, str, Mapping[str, Any]]
"""Line, raw, reason, detail, facts."""


def write(engine: Engine, campaign_id: int, folder: Path, *, list_no: int = 1) -> Path:
    """Write the invalid rows of one list of a campaign. Returns the CSV file."""
    with engine.connect() as connection:
        kept = list_record.read(connection, campaign_id, list_no)
    row = tables.invalid_row
    wanted = (
        select(row.c.line, row.c.raw, row.c.reason, row.c.detail, row.c.facts)
        .where(row.c.campaign_id == campaign_id, row.c.list_no == list_no)
        .order_by(row.c.line)
    )
    part = "" if list_no == 1 else f"-{list_no}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"campaign-{campaign_id}-invalid{part}.csv"
    form = _Form(kept.format, list(kept.columns), kept.separator)
    for each, writer in form.files(path):
        with engine.connect() as connection, writer(each) as add:
            take_time(connection)
            for found in connection.execute(wanted.execution_options(yield_per=5_000)):
                add(form.cells(tuple(found)))
    return path


def write_refused(source: Source, invalid_rows: pl.DataFrame, folder: Path) -> Path:
    """Write the rows of a list of which none is good, and which became no campaign. Returns the CSV file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(source.name).stem or 'list'}-invalid.csv"
    form = _Form(source.format, list(source.table.columns), getattr(source.table, "separator", None))
    columns = ("line", "raw", "reason", "detail", "facts")
    for each, writer in form.files(path):
        with writer(each) as add:
            for line, raw, reason, detail, facts in invalid_rows.select(columns).iter_rows():
                add(form.cells((line, raw, reason, detail, json.loads(facts))))
    return path


class _Form:
    """How the rows of one list are given back."""

    def __init__(self, format: str, columns: list[str], separator: str | None) -> None:
        self._format = format
        self._all = columns
        self._columns = list_record.original(columns)
        self._separator = separator or SEPARATOR

    def files(self, path: Path) -> Iterator[tuple[Path, Any]]:
        """The files to write, each with its writer."""
        yield path, self._csv
        if self._format == "xlsx":
            yield path.with_suffix(".xlsx"), self._xlsx

    def cells(self, row: Row) -> list[str]:
        """The cells of one row: those of the list, why, what to do, the line."""
        line, raw, reason, detail, facts = row
        values = dict(zip(self._all, self._values(raw), strict=False))
        why, what_to_do = _halves(reason, detail, facts)
        return [*map(harmless, (values.get(name, "") for name in self._columns)), why, what_to_do, str(line)]

    def _values(self, raw: str) -> list[str]:
        """The values of a row as it was written; a row that cannot be split stays whole, in the first column."""
        if self._format in ("jsonl", "inline"):
            try:
                found = json.loads(raw)
            except ValueError:
                found = None
            return [_shown(found.get(name)) for name in self._all] if isinstance(found, dict) else [raw]
        separator = self._separator if self._format == "csv" else SEPARATOR
        fields = quotes.split(raw, separator)
        if not isinstance(fields, list) or any(field.strip() for field in fields[len(self._all) :]):
            return [raw]
        return fields

    @contextmanager
    def _csv(self, path: Path) -> Iterator[Any]:
        with target(path) as stream:
            lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            writer = csv.writer(lines, delimiter=self._separator)
            writer.writerow([*map(harmless, self._columns), *INVALID_COLUMNS])
            yield writer.writerow
            lines.detach()

    @contextmanager
    def _xlsx(self, path: Path) -> Iterator[Any]:
        with target(path) as stream:
            import openpyxl  # takes a tenth of a second, and most lists do not need it
            from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

            book = openpyxl.Workbook(write_only=True)
            sheet = book.create_sheet("invalid")

            def add(cells: Iterable[str]) -> None:
                sheet.append([ILLEGAL_CHARACTERS_RE.sub(" ", cell) for cell in cells])

            add([*map(harmless, self._columns), *INVALID_COLUMNS])
            yield add
            book.save(stream)


def _halves(reason: str, detail: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong, and what to do about it: of a reason that is not worded anew, as its sentence was stored."""
    if reason in reasons.REASONS and facts:
        return reasons.halves(reason, facts)
    why, colon, what_to_do = detail.rpartition(": ")
    return (why, what_to_do) if colon else (detail, "")


def _shown(value: object) -> str:
    try:
        return shown_value(value) or ""
    except (TypeError, ValueError):
        return json.dumps(value, ensure_ascii=False, default=str)


def harmless(cell: str) -> str:
    """Keep a spreadsheet from running a cell as a formula (OWASP, CSV injection)."""
    for char in cell:
        if char in "\t\r\n":
            return f"'{cell}"
        if char.isspace() or unicodedata.category(char) == "Cf":
            continue
        return f"'{cell}" if unicodedata.normalize("NFKC", char)[:1] in "=+-@" else cell
    return cell
