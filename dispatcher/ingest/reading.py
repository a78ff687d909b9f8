"""How a list is to be read: what its owner asked for, and the limits. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import columns as headings

HEADER_ROWS = 20
"""How many rows with content are looked at to find the headings."""

_NUMBER_DIGITS = 6

UNPACKED_MAX = 2 << 30
MAX_COLUMNS = 1_000


@dataclass(frozen=True)
class Reading:
    """What is asked of the reader of a file.

    Attributes:
        to_column: the heading of the number's column, when it was named; several are divided by commas.
        sheet: name or number (from 1) of the sheet of a workbook.
        header_row: line of the headings, as an editor or a spreadsheet numbers it.
        visible_only: leave out hidden rows and columns of a workbook.
        unpacked_max: bytes that a workbook may unpack to.
    """

    to_column: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    visible_only: bool = False
    unpacked_max: int = UNPACKED_MAX

    def holds_number(self, row: Sequence[str]) -> bool:
        """Tell whether `row` looks like headings: one of them is known to head numbers, or is the one asked for."""
        short = [value.strip() for value in row if value and len(value) <= 200]
        return any(map(self._heads_numbers, short)) or headings.came_back(short)

    def _heads_numbers(self, value: str) -> bool:
        if self.to_column is not None:
            asked = (self.to_column, *self.to_column.split(","))
            return headings.fold(value) in {headings.fold(name) for name in asked}
        return headings.heads_numbers(value)

    def header_index(self, rows: Sequence[Sequence[str]]) -> int:
        """Return which of the first rows with content has the headings; 0 when none is known to.

        A lone cell such as `Celulares` is a title when real headings stand below it.
        """
        known = [at for at, row in enumerate(rows[:HEADER_ROWS]) if self.holds_number(row)]
        if not known:
            return 0
        if len(_filled(rows[known[0]])) == 1:
            return next((at for at in known if _are_headings(rows[at])), known[0])
        at = known[0]
        # Headings in two rows, of which merged cells have the number's in both: the lower row has the others.
        while at + 1 in known and _are_headings(rows[at + 1]) and len(_filled(rows[at + 1])) > len(_filled(rows[at])):
            at += 1
        return at


def _filled(row: Sequence[str]) -> set[str]:
    """Return the different texts of a row: a title in merged cells may stand in each of them."""
    return {value.strip() for value in row if value and value.strip()}


def _are_headings(row: Sequence[str]) -> bool:
    """Tell whether a row is no title and no recipient: several cells, none of which holds a number to send to."""
    return len(_filled(row)) > 1 and not any(looks_like_number(value) for value in row if value)


def looks_like_number(value: str) -> bool:
    """Tell whether a cell has as many digits as a number to send to has."""
    return sum(map(str.isdecimal, value)) >= _NUMBER_DIGITS


def refuse_columns(name: str, count: int) -> None:
    """Raise UsageError when a list has more columns than a list has."""
    if count > MAX_COLUMNS:
        raise UsageError(
            worded(
                "{name} has {count:,} columns with content; a list has at most {max_columns:,}",
                name=name,
                count=count,
                max_columns=MAX_COLUMNS,
            ),
            hint=translated("delete the columns that the messages do not need, and save the list again"),
        )
