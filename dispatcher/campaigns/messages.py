"""The messages of a campaign: as pages, and as a stream of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, column, func, select, table

from dispatcher.campaigns import kept_rows
from dispatcher.db.statements import execute
from dispatcher.db.transactions import pin_ordered_lookups, pin_range_scan
from dispatcher.domain import formulas
from dispatcher.domain.idinterno import MAX_SEQ
from schemas import tables

COLUMNS = {
    "campaign_id": "campaign_id",
    "seq": "seq",
    "external_id": "external_id",
    "destino": "number",
    "texto": "text",
    "idinterno": "idinterno",
    "status": "status",
    "result_code": "result_code",
    "result_text": "result_text",
    "chunk_no": "chunk_no",
    "submitted_at": "submitted_at",
    "processed_at": "processed_at",
}
"""Columns of `message_status`, and what the API calls them."""

_VIEW = table("message_status", *(column(name) for name in COLUMNS))
_MESSAGE = tables.message.c
_FIRST, _STRETCH, _PART = 100, 5_000, 500
"""Messages that are read at once: at first, so that something comes at once; later; and in one row of the answer."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which messages; None means any."""

    status: str | None = None
    result_code: int | None = None
    destino: str | None = None
    external_id: str | None = None
    first_seq: int | None = None
    last_seq: int | None = None

    def chosen(self) -> dict[str, Any]:
        """The columns that must have a value, with it."""
        names = ("status", "result_code", "destino", "external_id")
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}


def page(connection: Connection, campaign_id: int, filters: Filters, after: int, limit: int) -> list[Row[Any]]:
    """Messages in order of `seq`, after the one that is known."""
    chosen = select(*(_VIEW.c[name].label(label) for name, label in COLUMNS.items())).where(
        _VIEW.c.campaign_id == campaign_id, _VIEW.c.seq > max(after, (filters.first_seq or 1) - 1)
    )
    if filters.last_seq is not None:
        chosen = chosen.where(_VIEW.c.seq <= filters.last_seq)
    pin_ordered_lookups(connection)
    for name, value in filters.chosen().items():
        chosen = chosen.where(_VIEW.c[name] == value)
    return list(connection.execute(chosen.order_by(_VIEW.c.seq).limit(limit)))


def stream(engine: Engine, campaign_id: int, filters: Filters, kind: Literal["ndjson", "csv"]) -> Iterator[bytes]:
    """All messages in order of `seq`, in constant memory, as Postgres writes them.

    Each stretch is read in a transaction of its own: a caller who reads slowly holds no connection and keeps no vacuum
    from its work, and sees what is final by then.

    Raises:
        RowsDropped: the campaign's time is over; also in the middle, where ending would look like the end.
    """
    if kind == "csv":
        yield (",".join(COLUMNS.values()) + "\n").encode()
    with engine.connect() as connection:
        newest = select(func.max(_MESSAGE.seq)).where(_MESSAGE.campaign_id == campaign_id)
        last = min(connection.execute(newest).scalar() or 0, filters.last_seq or MAX_SEQ)
    at, size = filters.first_seq or 1, _FIRST
    while at <= last:
        if block := _block(engine, campaign_id, filters, kind, at, min(at + size - 1, last)):
            yield block
        at, size = at + size, _STRETCH


def _block(engine: Engine, campaign_id: int, filters: Filters, kind: str, first_seq: int, last_seq: int) -> bytes:
    """The lines of the messages of a stretch; they are not decoded on their way."""
    with engine.connect() as connection:
        kept_rows.require(connection, campaign_id)
        pin_range_scan(connection)
        stretch = {"campaign_id": campaign_id, "first_seq": first_seq, "last_seq": last_seq, "part": _PART}
        chosen = {
            "status": filters.status,
            "result_code": filters.result_code,
            "destino": filters.destino,
            "external_id": filters.external_id,
        }
        if kind == "csv":
            guard = {
                "suspect": formulas.SUSPECT,
                "dangerous": formulas.DANGEROUS,
                "inside": formulas.DANGEROUS_INSIDE,
            }
            found = execute(connection, "messages_as_csv", {**stretch, **chosen, **guard})
        else:
            found = execute(connection, "messages_as_ndjson", {**stretch, **chosen})
        assert found.pgresult is not None
        parts = [found.pgresult.get_value(row, 0) for row in range(found.pgresult.ntuples)]
    return b"".join(part for part in parts if part is not None)
