"""What a list looks like before anything is made of it: its columns, the number's one among them, its first rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from dispatcher.errors import UsageError

SAMPLE_ROWS = 5
_LONGEST_CELL = 200  # characters


@dataclass(frozen=True, slots=True)
class Inspection:
    """A list as it was understood.

    `sheet` and `sheets` are of a workbook; `number_column` is None when no heading is known for a number's. `sample`
    are its first rows, by heading; `remarks` what was taken for granted.
    """

    format: str
    columns: list[str]
    number_column: str | None
    sheet: str | None = None
    sheets: list[str] = field(default_factory=list)
    sample: list[dict[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def inspect(
    stream: BinaryIO,
    name: str,
    spool: Path,
    unpacked_max: int,
    *,
    sheet: str | None = None,
    header_row: int | None = None,
    to_column: str | None = None,
    visible_only: bool = False,
) -> Inspection:
    """Look at the beginning of a list, read as a load with these options would; the stream stays open.

    Raises:
        UsageError: it is not a table, or is damaged.
    """
    # Polars comes with them, which starts threads when it is imported: no process may have it before it forks.
    from dispatcher.ingest import Reading, open_source
    from dispatcher.ingest.blocks import column
    from dispatcher.ingest.columns import number_columns

    stream.seek(0)
    reading = Reading(
        to_column=to_column,
        sheet=sheet,
        header_row=header_row,
        visible_only=visible_only,
        unpacked_max=unpacked_max,
    )
    source = open_source(stream, name=name, spool=spool, reading=reading)
    try:
        columns = source.table.columns
        try:
            number = columns[number_columns(columns, to_column)[0]]
        except UsageError:
            number = None
        sample = []
        positions = range(len(columns))
        for block in source.table.blocks(positions, SAMPLE_ROWS, needed=()):
            for row in block.frame.head(SAMPLE_ROWS).iter_rows(named=True):
                cells = {columns[at]: (row[column(at)] or "")[:_LONGEST_CELL] for at in positions}
                sample.append(cells)
            break
        inner = source.table.table
        return Inspection(
            format=source.format,
            columns=list(columns),
            number_column=number,
            sheet=getattr(inner, "sheet", None),
            sheets=list(getattr(inner, "sheets", [])),
            sample=sample[:SAMPLE_ROWS],
            remarks=[remark.sentence for remark in source.remarks],
        )
    finally:
        if source.copy is not None:
            source.copy.close()
