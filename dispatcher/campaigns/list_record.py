"""What is kept of a campaign's lists: their headings and form, so that invalid rows can be given back as they were."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from dispatcher.ingest import INVALID_COLUMNS, Source
from dispatcher.ingest.blocks import shown
from dispatcher.ingest.columns import came_back, fold
from schemas import tables
from schemas.payload import CampaignSpec

READING = ("to_column", "id_column", "strict_text", "literal", "keep_words", "area", "first_number")
"""The options that say how the rows of a list are read: a list that is appended is read like the first one."""
_OF_THE_FILE = ("sheet", "header_row", "visible_only")
"""Those that say where in a file the list is: kept to read the same file again."""


def keep(
    connection: Connection,
    campaign_id: int,
    list_no: int,
    source: Source,
    spec: CampaignSpec,
    fingerprint: str | None,
    upload_id: int | None = None,
) -> None:
    """Record a list that was loaded; `upload_id` is the list itself in the upload store."""
    columns = [shown(column) for column in source.table.columns]
    new = insert(tables.campaign_list).values(
        campaign_id=campaign_id,
        list_no=list_no,
        name=source.name.encode("utf-8", "replace").decode(),
        format=source.format,
        columns=columns,
        separator=source.table.separator,
        options={name: getattr(spec, name) for name in (*READING, *_OF_THE_FILE)},
        fingerprint=fingerprint,
        upload_id=upload_id,
    )
    connection.execute(new)


def latest(connection: Connection, campaign_id: int) -> int:
    """Return the number of a campaign's last list; 0 when none was recorded."""
    lists = tables.campaign_list
    found = select(lists.c.list_no).where(lists.c.campaign_id == campaign_id).order_by(lists.c.list_no.desc())
    return connection.execute(found.limit(1)).scalar() or 0


def read(connection: Connection, campaign_id: int, list_no: int) -> Any:
    """Return the row of a list, or None."""
    lists = tables.campaign_list
    return connection.execute(
        select(lists).where(lists.c.campaign_id == campaign_id, lists.c.list_no == list_no)
    ).first()


def original(columns: list[str]) -> list[int]:
    """Return the positions of the headings without those that a file of invalid rows adds."""
    every = range(len(columns))
    return [at for at in every if fold(columns[at]) not in INVALID_COLUMNS] if came_back(columns) else list(every)
