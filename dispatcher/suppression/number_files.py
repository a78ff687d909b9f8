"""The numbers of a file: a list that a person made, or a register, with or without headings.

All columns that hold numbers count, and all numbers of a cell: one that is overlooked goes on getting messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dispatcher.domain import reasons
from dispatcher.domain.phone import PhoneProblem
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated
from dispatcher.ingest import Remark, Source
from dispatcher.ingest.blocks import InvalidRow, column
from dispatcher.ingest.columns import fold, heads_numbers, number_columns
from dispatcher.ingest.number_columns import known_area
from dispatcher.ingest.numbers import destinos
from dispatcher.suppression.numbers_in_cells import numbers_in

_BATCH = 50_000
INVALID_ROWS_SHOWN = 100
_WEAK_HEADINGS = ("numero", "numeros", "linea", "abonado")
_NOT_FOR_NUMBERS = ("encoding", "separator", "hidden_columns")
_SAID_OTHERWISE = {"hidden_rows": "hidden_rows_read", "sheets_not_read": "sheets_left_out"}


@dataclass
class Unread:
    """The rows with something in the place of a number that is none."""

    invalid: int = 0
    invalid_rows: list[dict[str, Any]] = field(default_factory=list)  # the first 100: line, raw, code, detail

    def add(self, line: int, raw: str, code: int | None, detail: str) -> None:
        """Count a row that holds no number."""
        self.invalid += 1
        if len(self.invalid_rows) < INVALID_ROWS_SHOWN:
            self.invalid_rows.append({"line": line, "raw": raw[:100], "code": code, "detail": detail})


def read(
    source: Source, country: str, take: Callable[[list[str]], None], *, to_column: str | None, area: str | None
) -> Unread:
    """Hand every number of a file (national digits) to `take`, in batches; a number may come more than once.

    `area` is the area code of local numbers.

    Raises:
        UsageError: the file is not a table, or no column can be told to hold numbers.
    """
    area = known_area(area, country)
    columns = source.table.columns
    positions, headed = _positions(columns, country, to_column, area)
    rows = _Rows(country, area, take, Unread())
    if not headed:
        rows.take_rows([1], [pl.Series([columns[at]], dtype=pl.String) for at in positions])
    for block in source.table.blocks(positions, _BATCH):
        rows.take_rows(block.frame["line"].to_list(), [block.frame[column(at)].fill_null("") for at in positions])
        for invalid_row in block.invalid_rows:
            rows.take_broken(invalid_row)
    return rows.unread


def remarks(source: Source) -> list[Remark]:
    """What the reader of a list took for granted, as far as it matters for numbers alone."""
    said = [remark for remark in source.remarks if remark.code not in _NOT_FOR_NUMBERS]
    return [Remark(_SAID_OTHERWISE.get(remark.code, remark.code), remark.values) for remark in said]


def _positions(columns: Sequence[str], country: str, to_column: str | None, area: str | None) -> tuple[list[int], bool]:
    """Find the columns of the numbers, and tell whether the first row is headings.

    They are those asked for, those with a known heading, or those whose first cell is itself a number; else the only
    column.
    """
    if to_column is not None:
        return number_columns(columns, to_column), True
    found = [at for at, name in enumerate(columns) if heads_numbers(name)]
    found = found or [at for at, name in enumerate(columns) if fold(name) in _WEAK_HEADINGS]
    if found:
        return found, True
    numbers = [at for at, name in enumerate(columns) if numbers_in(name, country, area)[0]]
    if numbers:
        return numbers, False
    if len(columns) == 1:
        return [0], True
    raise UsageError(
        translated("No column of the file is known to hold numbers."),
        hint=translated("Name it with --to-column (to_column), or give one number a line."),
    )


@dataclass
class _Rows:
    """Takes the numbers out of rows."""

    country: str
    area: str | None
    take: Callable[[list[str]], None]
    unread: Unread

    def take_rows(self, lines: Sequence[int], cells: Sequence[pl.Series]) -> None:
        """Take the rows of a block, a series for each column of numbers."""
        read = [destinos(written, self.country, area=self.area) for written in cells]
        numbers = [number for found, _ in read for number in found.drop_nulls().to_list()]
        odd = pl.Series([False] * len(lines), dtype=pl.Boolean)
        for found, _ in read:
            odd |= found.is_null()
        for at in odd.arg_true().to_list():
            odd_cells = [written[at] for written, (found, _) in zip(cells, read, strict=True) if found[at] is None]
            numbers += self._odd_row(lines[at], odd_cells, alone=len(odd_cells) == len(cells))
        self.take(numbers)

    def take_broken(self, row: InvalidRow) -> None:
        """Take a row that has not the fields of the headings, if it holds numbers all the same."""
        found, problem = numbers_in(row.raw, self.country, self.area)
        if found and row.reason in ("fields_missing", "fields_extra"):
            self.take(found)
            if problem is None:
                return
        if problem is not None and problem.reason == "number_cut":
            self.unread.add(row.line, row.raw, problem.code, problem.detail)
        else:
            self.unread.add(row.line, row.raw, row.code, reasons.say(row.reason, json.loads(row.facts)))

    def _odd_row(self, line: int, values: Sequence[str], *, alone: bool) -> list[str]:
        """Return the numbers of cells that are not one plain number, and count the row when something is bad.

        An empty cell is bad only in a row without a number: `alone` tells that no other cell of the row has one.
        """
        numbers: list[str] = []
        bad: list[tuple[str, PhoneProblem]] = []
        for value in values:
            found, problem = numbers_in(value, self.country, self.area)
            numbers += found
            if problem is not None:
                bad.append((value, problem))
        said = [each for each in bad if each[1].reason != "number_empty"] or (bad if alone and not numbers else [])
        if said:
            value, problem = said[0]
            self.unread.add(line, value, problem.code, problem.detail)
        return numbers
