"""The messages of a campaign: as pages, and as a stream of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql
from sqlalchemy import Connection, Engine, Row, column, select, table

from dispatcher.db.transactions import pin_ordered_lookups, take_time
from dispatcher.domain import formulas

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
_FREE_TEXT = ("external_id", "texto", "result_text")
_BLOCK = 256 * 1024
"""Bytes that are handed on at once; the first row goes at once."""


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
    """All messages in order of `seq`, in constant memory, as Postgres writes them."""
    rows = rows_of(campaign_id, filters, kind)
    if kind == "csv":
        free = sql.SQL(", ").join(sql.Identifier(COLUMNS[name]) for name in _FREE_TEXT)
        copy = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE ({}))").format(rows, free)
    else:
        # The text format would double the backslashes of JSON: CSV with unusual quotes leaves them alone.
        lines = sql.SQL("SELECT row_to_json(r)::text FROM ({}) r").format(rows)
        copy = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')").format(lines)
    yield from _blocks(engine, copy)


def rows_of(campaign_id: int, filters: Filters, kind: Literal["ndjson", "csv"]) -> sql.Composed:
    """The SELECT of a stream."""
    columns = sql.SQL(", ").join(_shown(name, label, kind) for name, label in COLUMNS.items())
    conditions = [sql.SQL("campaign_id = {}").format(sql.Literal(campaign_id))]
    if filters.first_seq is not None:
        conditions.append(sql.SQL("seq >= {}").format(sql.Literal(filters.first_seq)))
    if filters.last_seq is not None:
        conditions.append(sql.SQL("seq <= {}").format(sql.Literal(filters.last_seq)))
    conditions += [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in filters.chosen().items()
    ]
    return sql.SQL("SELECT {} FROM message_status WHERE {} ORDER BY seq").format(
        columns, sql.SQL(" AND ").join(conditions)
    )


def _shown(name: str, label: str, kind: str) -> sql.Composable:
    """A column under the API's name; in CSV harmless to a spreadsheet."""
    written: sql.Composable = sql.Identifier(name)
    if kind == "csv" and name in _FREE_TEXT:
        inside = sql.Literal(formulas.DANGEROUS_INSIDE)
        text = sql.SQL(r"regexp_replace({}, {}, E'\\1''\\2', 'g')").format(written, inside)
        guard = sql.SQL("CASE WHEN {0} ~ {1} THEN '''' || {2} ELSE {2} END")
        written = guard.format(written, sql.Literal(formulas.DANGEROUS), text)
    return sql.SQL("{} AS {}").format(written, sql.Identifier(label))


def _blocks(engine: Engine, copy: sql.Composed) -> Iterator[bytes]:
    with engine.connect() as connection:
        take_time(connection)
        pin_ordered_lookups(connection)
        raw: Any = connection.connection.driver_connection
        with raw.cursor() as cursor, cursor.copy(copy) as rows:
            block, limit = bytearray(), 1
            for part in rows:
                block += part
                if len(block) >= limit:
                    yield bytes(block)
                    block, limit = bytearray(), _BLOCK
            if block:
                yield bytes(block)
