"""Exports: results, replies and the audit.

People open CSV and XLSX, so cells that a spreadsheet would run as formulas are made harmless. JSONL is for programs and
stays as it is.
"""

import csv
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from psycopg import sql
from sqlalchemy import Connection, Engine

from dispatcher.campaigns import kept_rows
from dispatcher.campaigns.audit import Audit
from dispatcher.campaigns.export_file import target
from dispatcher.config import Settings
from dispatcher.db.transactions import pin_ordered_lookups, speak_provider_time, take_time
from dispatcher.domain import formulas
from dispatcher.domain.display import in_sheet
from dispatcher.domain.window import provider_local

COLUMNS = (
    "campaign_id",
    "seq",
    "external_id",
    "destino",
    "texto",
    "idinterno",
    "status",
    "result_code",
    "result_text",
    "chunk_no",
    "submitted_at",
    "processed_at",
)
INBOX_COLUMNS = (
    "id",
    "origen",
    "texto",
    "received_at",
    "idinterno",
    "campaign_id",
    "seq",
    "kind",
    "source",
    "provisional",
)
_FREE_TEXT = frozenset({"external_id", "texto", "result_text", "origen", "idinterno"})
_XLSX_ROWS = 1_048_575

SEPARATOR = ";"
"""What a Spanish Excel splits at."""

_WIDTHS = {"texto": 60, "result_text": 32, "external_id": 20, "idinterno": 20, "submitted_at": 19, "processed_at": 19}
_WIDTH = 13


@dataclass(frozen=True, slots=True)
class Only:
    """Which messages of a campaign an export holds: every field that is given must fit."""

    statuses: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    since: datetime | None = None
    """Only results that came at this moment or later, by the provider's time stamp."""
    seq: int | None = None
    """Only the message in this place."""

    def condition(self) -> sql.Composable:
        """The same as SQL, to follow another condition."""
        parts: list[sql.Composable] = []
        if self.statuses:
            parts.append(sql.SQL(" AND status = ANY({})").format(sql.Literal(list(self.statuses))))
        if self.codes:
            parts.append(sql.SQL(" AND result_code = ANY({})").format(sql.Literal(list(self.codes))))
        if self.since is not None:
            parts.append(sql.SQL(" AND processed_at >= {}").format(sql.Literal(self.since)))
        if self.seq is not None:
            parts.append(sql.SQL(" AND seq = {}").format(sql.Literal(self.seq)))
        return sql.Composed(parts)


@dataclass(frozen=True, slots=True)
class _Query:
    """What is read: `free` are the columns that people or other programs wrote."""

    select: sql.Composed
    columns: tuple[str, ...]
    free: frozenset[str]


def _cell(column: str, kind: str, free: frozenset[str]) -> sql.Composable:
    """A column that is safe to open in a spreadsheet; JSONL is for programs, and stays as it is."""
    name = sql.Identifier(column)
    if column not in free or kind == "jsonl":
        return name
    text: sql.Composable = name
    if kind == "csv":
        inside = sql.Literal(formulas.DANGEROUS_INSIDE)
        text = sql.SQL(r"regexp_replace({}, {}, E'\\1''\\2', 'g')").format(name, inside)
    guarded = sql.SQL("CASE WHEN {0} ~ {1} THEN '''' || {2} ELSE {2} END AS {0}")
    return guarded.format(name, sql.Literal(formulas.DANGEROUS), text)


def _rows(
    table: sql.Composable,
    columns: tuple[str, ...],
    campaign_id: int | None,
    order: str,
    *,
    kind: str,
    only: Only = Only(),
    free: frozenset[str] = _FREE_TEXT,
) -> _Query:
    selected = [_cell(c, kind, free) for c in columns]
    which = sql.SQL("campaign_id = {}").format(sql.Literal(campaign_id)) if campaign_id else sql.SQL("true")
    select = sql.SQL("SELECT {} FROM {} WHERE {}{} ORDER BY {}").format(
        sql.SQL(", ").join(selected), table, which, only.condition(), sql.Identifier(order)
    )
    return _Query(select, columns, free)


def write_results(
    engine: Engine,
    campaign_id: int,
    kind: str,
    path: Path | None,
    *,
    only: Only = Only(),
    force: bool = False,
    separator: str = SEPARATOR,
    with_list: Settings | None = None,
) -> int:
    """Write `message_status` of a campaign as csv, jsonl or xlsx, in seq order. Returns how many rows.

    With the settings as `with_list`, each row has the columns of its list beside it.

    Raises:
        UsageError: the list, or what became of it, is not kept any longer.
    """

    def prepare(connection: Connection) -> _Query:
        kept_rows.require(connection, campaign_id)
        if with_list is None:
            return _rows(sql.Identifier("message_status"), COLUMNS, campaign_id, "seq", kind=kind, only=only)
        from dispatcher.campaigns import export_list  # polars comes with it

        own = list(export_list.stage(connection, engine, with_list, campaign_id, COLUMNS).values())
        beside = export_list.beside_results(connection, campaign_id, own)
        free = _FREE_TEXT.union(own)
        return _rows(beside, (*COLUMNS, *own), campaign_id, "seq", kind=kind, only=only, free=free)

    return _write(engine, prepare, kind, path, "results", force, separator)


def write_inbox(
    engine: Engine,
    kind: str,
    path: Path | None,
    campaign_id: int | None = None,
    *,
    force: bool = False,
    separator: str = SEPARATOR,
) -> int:
    """Write the replies (of one campaign) as csv, jsonl or xlsx, in the order they arrived. Returns how many."""
    wanted = _rows(sql.Identifier("inbox"), INBOX_COLUMNS, campaign_id, "received_at", kind=kind)
    return _write(engine, lambda _: wanted, kind, path, "inbox", force, separator)


_Prepare = Callable[[Connection], _Query]
"""Makes the query, in the transaction that it will read in."""


def _write(
    engine: Engine,
    prepare: _Prepare,
    kind: str,
    path: Path | None,
    title: str,
    force: bool,
    separator: str,
) -> int:
    if kind == "xlsx":
        assert path is not None
        return _write_xlsx(engine, prepare, path, title, force)
    with target(path, force=force) as stream, engine.connect() as connection:
        take_time(connection)
        wanted = prepare(connection)
        pin_ordered_lookups(connection)
        speak_provider_time(connection)
        if kind == "csv":
            return _copy_csv(connection, wanted, stream, separator)
        # The text format of COPY would double the backslashes of JSON: CSV with unusual quotes leaves them alone.
        lines = sql.SQL("SELECT row_to_json(r)::text FROM ({}) r").format(wanted.select)
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')").format(lines)
        return _copy(connection, statement, stream)


def write_audit(found: Audit, path: Path, *, force: bool = False, separator: str = SEPARATOR) -> int:
    """Write a campaign's audit as CSV, one row per item (campaign_id, section, item, value). Returns how many rows."""
    sums = {
        name: getattr(found, name)
        for name in ("rows", "messages", "invalid", "sent_min", "sent_max", "operator_actions", "balanced")
    }
    sections: dict[str, dict[Any, Any]] = {
        "sum": sums,
        "status": found.statuses,
        "post": found.attempts,
        "complaint": dict(enumerate(found.complaints, start=1)),
    }
    rows = [(found.campaign_id, name, item, value) for name, items in sections.items() for item, value in items.items()]
    with target(path, force=force) as stream:
        lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        csv.writer(lines, delimiter=separator).writerows([("campaign_id", "section", "item", "value"), *rows])
        lines.detach()
    return len(rows)


def _copy_csv(connection: Connection, wanted: _Query, stream: BinaryIO, separator: str) -> int:
    # The mark tells a spreadsheet that this is UTF-8; programs behind a pipe do not expect one.
    if stream is not sys.stdout.buffer:
        stream.write(b"\xef\xbb\xbf")
    # In quotes always: a separator of any country may stand in what people wrote.
    free = sql.SQL(", ").join(sql.Identifier(column) for column in wanted.columns if column in wanted.free)
    form = sql.SQL("FORMAT csv, HEADER, DELIMITER {}, FORCE_QUOTE ({})").format(sql.Literal(separator), free)
    statement = sql.SQL("COPY ({}) TO STDOUT ({})").format(wanted.select, form)
    return _copy(connection, statement, stream)


def _copy(connection: Connection, statement: sql.Composed, stream: BinaryIO) -> int:
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for part in copy:
                stream.write(bytes(part))
        return int(cursor.rowcount)


def _write_xlsx(engine: Engine, prepare: _Prepare, path: Path, title: str, force: bool) -> int:
    """Stream into a write-only workbook. A sheet holds a million rows, so there may be several."""
    # The file first: a path that cannot be written fails before the work, not after it.
    with target(path, force=force) as stream:
        import openpyxl  # takes a tenth of a second, and most commands do not need it

        book = openpyxl.Workbook(write_only=True)
        rows = 0
        with engine.connect() as connection:
            take_time(connection)
            wanted = prepare(connection)
            pin_ordered_lookups(connection)
            raw: Any = connection.connection.driver_connection
            with raw.cursor(name="export") as cursor:
                cursor.itersize = 5_000
                cursor.execute(wanted.select)
                sheet = None
                for row in cursor:
                    if rows % _XLSX_ROWS == 0:
                        sheet = _sheet(book, f"{title} {rows // _XLSX_ROWS + 1}" if rows else title, wanted.columns)
                    assert sheet is not None
                    # Excel has no time zones: use the local time of the provider, as its panel does.
                    sheet.append([_plain(cell) for cell in row])
                    rows += 1
        if not rows:
            _sheet(book, title, wanted.columns)
        book.save(stream)
    return rows


def _sheet(book: Any, title: str, columns: tuple[str, ...]) -> Any:
    """A sheet whose headings stay in sight and can be filtered by, its columns wide enough to read."""
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(title)
    # A streamed sheet takes these before its first row only.
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{_XLSX_ROWS + 1}"
    for number, name in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = _WIDTHS.get(name, _WIDTH)
    sheet.append([in_sheet(name) for name in columns])
    return sheet


def _plain(cell: Any) -> Any:
    if isinstance(cell, str):
        return in_sheet(cell)
    return provider_local(cell).replace(tzinfo=None) if isinstance(cell, datetime) else cell
