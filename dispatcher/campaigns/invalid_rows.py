"""The rows of a list that became no message: as pages, and as a CSV that can be mended and loaded again."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select, tuple_

from dispatcher.domain import reasons
from schemas import tables


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
    from dispatcher.campaigns import invalid_file, list_record  # polars comes with them
    from dispatcher.ingest.blocks import shown

    row = tables.invalid_row
    wanted = select(row).where(row.c.campaign_id == campaign_id, tuple_(row.c.list_no, row.c.line) > after)
    found = connection.execute(wanted.order_by(row.c.list_no, row.c.line).limit(limit)).all()
    lists: dict[int, Any] = {
        number: list_record.read(connection, campaign_id, number) for number in {each.list_no for each in found}
    }
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
        for each in found
    ]


def as_csv(engine: Engine, campaign_id: int) -> bytes:
    """The file of invalid rows of the first list."""
    from dispatcher.campaigns import invalid_file

    with tempfile.TemporaryDirectory(prefix="dispatcher-invalid-") as folder:
        return invalid_file.write(engine, campaign_id, Path(folder)).read_bytes()
