"""The recipient of each row: from one column, or from the first of several that holds a valid number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from dispatcher.domain.phone import AREA_CODES, PLANS, PhoneProblem
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import cells
from dispatcher.ingest import columns as headings
from dispatcher.ingest.blocks import InvalidRow, column, invalid
from dispatcher.ingest.numbers import destinos
from dispatcher.ingest.options import IngestOptions
from dispatcher.ingest.remarks import Remark


class NumberColumns:
    """Reads the number of each row, and watches the columns that hold numbers and were not taken."""

    def __init__(self, columns: Sequence[str], options: IngestOptions) -> None:
        """Find the columns; UsageError when there is none, or an area code that Argentina does not have."""
        found = headings.number_columns(columns, options.to_column)
        self._country = options.country
        self._area = known_area(options.area, options.country)
        self._first_number = options.first_number
        self._columns = columns
        # Columns that were asked for are all taken, one after the other; of those that were found, only the first is.
        self._taken = found if options.to_column is not None else found[:1]
        self._others = [] if options.to_column is not None else found[1:]

    @property
    def positions(self) -> set[int]:
        """The columns that take part."""
        return {*self._taken, *self._others}

    @property
    def taken_positions(self) -> set[int]:
        """The columns that the number is taken from."""
        return set(self._taken)

    @property
    def not_taken(self) -> set[int]:
        """The columns that hold numbers, and give none."""
        return set(self._others)

    @property
    def taken(self) -> list[str]:
        """The headings of the columns that the number is taken from, the first one first."""
        return [self._columns[at] for at in self._taken]

    def read(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow], remarks: Counter[Remark]) -> pl.DataFrame:
        """Return the rows that have a number, with the column `destino`."""
        first, *more = self._taken
        numbers, problems = self._of(frame, first)
        for at in more:
            if not numbers.null_count():
                break
            numbers = numbers.fill_null(self._of(frame, at)[0])
        for at in self._others:
            self._compare(numbers, self._of(frame, at)[0], at, remarks)
        frame = frame.with_columns(numbers.alias("destino"))
        if not numbers.null_count():
            return frame
        bad = frame.filter(numbers.is_null())
        for line, raw, value in bad.select("line", "raw", column(first)).iter_rows():
            invalid_rows.append(self._problem(line, raw, value or "", problems[value or ""]))
        return frame.filter(numbers.is_not_null())

    def _of(self, frame: pl.DataFrame, at: int) -> tuple[pl.Series, dict[str, PhoneProblem]]:
        written = frame[column(at)].fill_null("")
        return destinos(written, self._country, area=self._area, first_number=self._first_number)

    def _problem(self, line: int, raw: str, written: str, problem: PhoneProblem) -> InvalidRow:
        heading = " or ".join(self.taken)
        if headings.fold(written) == headings.fold(self.taken[0]):
            return invalid(line, raw, "headings_again", {})
        if cells.shows_error(written):
            return invalid(line, raw, "formula_error", {"columns": [heading], "words": [written.strip()]})
        if problem.reason == "number_characters" and cells.is_word(written):
            facts = {"column": heading, "digits": PLANS[self._country].digits, "words": [written.strip()]}
            return invalid(line, raw, "number_empty", facts)
        return invalid(line, raw, problem.reason, {"column": heading, **problem.facts})

    def _compare(self, numbers: pl.Series, others: pl.Series, at: int, remarks: Counter[Remark]) -> None:
        facts = {"taken": self.taken[0], "other": self._columns[at]}
        only_there = int((numbers.is_null() & others.is_not_null()).sum())
        different = int((numbers != others).sum())
        remarks[Remark("other_numbers", facts)] += only_there
        if different:
            remarks[Remark("different_numbers", facts)] += different


def known_area(asked: str | None, country: str) -> str | None:
    """Return the area code of local numbers without its 0; UsageError when Argentina does not have it."""
    if asked is None:
        return None
    area = asked.strip().removeprefix("0")
    if country != "AR" or area not in AREA_CODES:
        raise UsageError(
            worded("{area!r} is not an area code of Argentina", area=asked),
            hint=translated("give it without the 0 and the 15, such as 11"),
        )
    return area
