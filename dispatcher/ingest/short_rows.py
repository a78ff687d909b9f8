"""Rows with fewer fields than headings: programs leave trailing empty cells out, and what is missing may not matter."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from dispatcher.ingest import quotes
from dispatcher.ingest.blocks import RAW_LIMIT, Block, InvalidRow, column, schema


def taken_in(block: Block, wanted: Sequence[int], needed: Collection[int], separator: str | None) -> tuple[Block, int]:
    """Return the block with those short rows that have every field of `needed`, and how many they are.

    A field that is missing is null. The other short rows stay invalid: a separator was lost, or a line was broken.
    """
    least = max(needed, default=-1) + 1
    rows: list[tuple[InvalidRow, list[str]]] = []
    for each in block.invalid_rows:
        fields = _fields(each, separator)
        if fields is not None and len(fields) >= least:
            rows.append((each, fields))
    if not rows:
        return block, 0
    values = {column(at): [fields[at] if at < len(fields) else None for _, fields in rows] for at in wanted}
    more = pl.DataFrame(
        {"line": [each.line for each, _ in rows], "raw": [each.raw for each, _ in rows], **values},
        schema=schema(wanted),
    )
    lines = {each.line for each, _ in rows}
    left = [each for each in block.invalid_rows if each.line not in lines]
    frame = pl.concat([block.frame.select(more.columns), more]).sort("line")
    return Block(frame, left, block.position), len(rows)


def _fields(row: InvalidRow, separator: str | None) -> list[str] | None:
    if row.reason != "fields_missing" or separator is None or len(row.raw) >= RAW_LIMIT:
        return None
    fields = quotes.split(row.raw, separator, strict=True)
    return fields if isinstance(fields, list) else None
