"""Merged cells: a value that stands once and covers several rows counts for each of them.

A workbook names its merged cells below its rows, so they are looked up before the rows are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from dispatcher.ingest.workbook.sheet import Cell, Row, column_of

MAX_MERGES = 100_000
"""Merged cells that are looked at; a sheet that has more is a form, and no list."""

_OPEN = 64
"""Merged cells beside each other that are followed."""
_PIECE = 1 << 20
_OVERLAP = 300
_REFERENCE = re.compile(rb'mergeCell\s[^>]{0,200}?ref="([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})"')


class Merge(NamedTuple):
    """Rows of one column that are one cell: column from 0, first and last row from 1."""

    column: int
    first: int
    last: int


def read_merges(stream: BinaryIO) -> list[Merge]:
    """Return the cells of a sheet's part that cover several rows, in the order of their first rows."""
    found: dict[tuple[int, int], Merge] = {}
    held, met = b"", 0
    while (piece := stream.read(_PIECE)) and met < MAX_MERGES:
        held += piece
        if b"mergeCell" in held:
            references = _REFERENCE.findall(held)
            met += len(references)  # the same one again and again costs as much
            for left, top, _, bottom in references:
                if int(bottom) > int(top):
                    merge = Merge(column_of(left.decode()), int(top), int(bottom))
                    found[merge.column, merge.first] = merge
        held = held[-_OVERLAP:]
    return sorted(found.values(), key=lambda merge: merge.first)


class Filling:
    """Gives rows the values of the merged cells that cover them."""

    def __init__(self, merges: Sequence[Merge]) -> None:
        """Start above the first row."""
        self._merges = merges
        self.filled = 0
        """Values that came from a merged cell further up."""

    def rows(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield the rows of a sheet, from its first on."""
        waiting = iter(self._merges)
        following = next(waiting, None)
        open_merges: dict[int, tuple[Merge, Cell | None]] = {}
        for row in rows:
            while following is not None and following.first <= row.number:
                top = next((cell for cell in row.cells if cell.column == following.column), None)
                if len(open_merges) < _OPEN:
                    open_merges[following.column] = (following, top if following.first == row.number else None)
                following = next(waiting, None)
            yield self._with(row, open_merges) if open_merges else row

    def _with(self, row: Row, open_merges: dict[int, tuple[Merge, Cell | None]]) -> Row:
        present = {cell.column for cell in row.cells}
        more: list[Cell] = []
        for column, (merge, top) in list(open_merges.items()):
            if merge.last < row.number:
                del open_merges[column]
            elif top is not None and row.number > merge.first and column not in present:
                more.append(top)
        if not more:
            return row
        self.filled += len(more)
        return row._replace(cells=sorted([*row.cells, *more], key=lambda cell: cell.column))
