"""The columns of a campaign's lists, for an export that has them beside each result.

The lists are read again from the upload store and staged in a table of the export's transaction. A message is found in
it by its list and line.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl
from psycopg import sql
from sqlalchemy import Connection, Engine, select

from dispatcher.campaigns import list_record
from dispatcher.config import Settings
from dispatcher.db.bulk_copy import copy_frame
from dispatcher.domain.formulas import harmless_in_csv
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import Reading, Source
from dispatcher.ingest.blocks import column
from dispatcher.uploads import reading, store
from schemas import tables

_BATCH_ROWS = 50_000
_LONGEST_NAME = 55
"""Bytes of a heading: Postgres cuts a name at 63, and two long ones must stay different."""

STAGED = sql.Identifier("pg_temp", "export_list")


def stage(
    connection: Connection, engine: Engine, settings: Settings, campaign_id: int, taken: Iterable[str]
) -> dict[str, str]:
    """Stage the lists of a campaign in the caller's transaction. Returns a column, none that is `taken`, per heading.

    Raises:
        UsageError: a list is not kept any longer, or it is not known which messages came of which list.
    """
    starts = starts_of(connection, campaign_id)
    kept = [list_record.read(connection, campaign_id, list_no) for list_no in sorted(starts)]
    found = headings([name for each in kept for name in _own(each.columns)], set(taken))
    columns: list[sql.Composable] = [sql.SQL("_list_no int"), sql.SQL("_line bigint")]
    columns += [sql.SQL("{} text").format(sql.Identifier(name)) for name in found.values()]
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE export_list ({}) ON COMMIT DROP").format(sql.SQL(", ").join(columns))
        )
        for each in kept:
            with _open(connection, engine, settings, each) as source:
                _copy(connection, source, each, found, cursor)
        cursor.execute(sql.SQL("CREATE INDEX ON {} (_line, _list_no)").format(STAGED))
        cursor.execute(sql.SQL("ANALYZE {}").format(STAGED))
    return found


def beside_results(connection: Connection, campaign_id: int, columns: list[str]) -> sql.Composed:
    """The view `message_status` of a campaign, with the staged columns beside it, as a part of FROM."""
    view = sql.SQL("message_status s JOIN message m ON m.campaign_id = s.campaign_id AND m.seq = s.seq")
    return sql.SQL("{} r").format(_beside(connection, campaign_id, columns, view, sql.SQL("s")))


def beside_messages(connection: Connection, campaign_id: int, columns: list[str]) -> sql.Composed:
    """The messages of a campaign, with the staged columns beside them, as a subquery without a name."""
    return _beside(connection, campaign_id, columns, sql.SQL("message m"), sql.SQL("m"))


def _beside(
    connection: Connection, campaign_id: int, columns: list[str], messages: sql.SQL, shown: sql.SQL
) -> sql.Composed:
    starts = sorted(starts_of(connection, campaign_id).items(), reverse=True)
    which = sql.SQL(" ").join(
        sql.SQL("WHEN m.seq >= {} THEN {}").format(sql.Literal(first), sql.Literal(list_no))
        for list_no, first in starts
    )
    own = sql.SQL(", ").join(sql.SQL("l.{}").format(sql.Identifier(name)) for name in columns)
    return sql.SQL(
        "(SELECT {shown}.*, {own} FROM {messages} "
        "LEFT JOIN {staged} l ON l._line = m.line AND l._list_no = CASE {which} END "
        "WHERE m.campaign_id = {campaign})"
    ).format(shown=shown, own=own, messages=messages, staged=STAGED, which=which, campaign=sql.Literal(campaign_id))


def headings(names: Iterable[str], taken: set[str]) -> dict[str, str]:
    """The column of an export for each heading: taken ones, formulas and no name at all become others."""
    found: dict[str, str] = {}
    for name in names:
        if name in found:
            continue
        base = harmless_in_csv(name).replace("\x00", "").encode()[:_LONGEST_NAME].decode(errors="ignore") or "-"
        free, number = base, 1
        while free in taken or free in ("_list_no", "_line"):
            number += 1
            free = f"{base} ({number})"
        taken.add(free)
        found[name] = free
    return found


def _own(columns: list[str]) -> list[str]:
    """The headings of a list without those that a file of invalid rows adds."""
    return [columns[at] for at in list_record.original(columns)]


def starts_of(connection: Connection, campaign_id: int) -> dict[int, int]:
    """The first `seq` of each list: an appended list comes behind all that were there."""
    campaign, entry = tables.campaign, tables.audit_entry
    messages = connection.execute(select(campaign.c.messages).where(campaign.c.id == campaign_id)).scalar_one()
    appended = select(entry.c.detail).where(entry.c.campaign_id == campaign_id, entry.c.action == "campaign.append")
    counts = {each["list_no"]: each["messages"] for each in connection.execute(appended).scalars()}
    last = list_record.latest(connection, campaign_id)
    if not last or set(counts) != set(range(2, last + 1)):
        raise UsageError(
            worded("It is not known which list the messages of campaign {number} came from.", number=campaign_id),
            hint=translated("Leave --with-list out."),
        )
    starts, first = {1: 1}, messages - sum(counts.values()) + 1
    for list_no in sorted(counts):
        starts[list_no] = first
        first += counts[list_no]
    return starts


def _open(connection: Connection, engine: Engine, settings: Settings, kept: Any) -> Source:
    upload = store.get(connection, kept.upload_id) if kept.upload_id is not None else None
    if upload is None or not upload.there:
        raise UsageError(
            worded("The list {name!r} is not kept any longer.", name=kept.name),
            hint=translated("Leave --with-list out. DISPATCHER_LISTS_KEPT says how many days a list is kept."),
        )
    options = kept.options
    how = Reading(
        to_column=options.get("to_column"),
        sheet=options.get("sheet"),
        header_row=options.get("header_row"),
        visible_only=bool(options.get("visible_only")),
        unpacked_max=settings.unpacked_max,
    )
    return reading.open_list(engine, upload, spool(settings.home), how)


def _copy(connection: Connection, source: Source, kept: Any, found: dict[str, str], cursor: Any) -> None:
    """Stage the rows of one list, with its values as they were; of two equal headings the first one counts."""
    places: dict[str, int] = {}
    for at in list_record.original(list(kept.columns)):
        places.setdefault(kept.columns[at], at)
    names = [sql.Identifier(found[name]) for name in places]
    columns = sql.SQL(", ").join([sql.Identifier("_list_no"), sql.Identifier("_line"), *names])
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(STAGED, columns).as_string(cursor)
    positions = list(places.values())
    for block in source.table.blocks(positions, _BATCH_ROWS, verbatim=positions, needed=()):
        frame = block.frame.select(
            pl.lit(kept.list_no).alias("list_no"),
            "line",
            *(pl.col(column(at)).str.replace_all("\x00", "", literal=True) for at in positions),
        )
        copy_frame(connection, into, frame)
