"""What belongs to a campaign: the lists that it was made from, and the campaigns that retry what failed in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from dispatcher.uploads import store
from dispatcher.uploads.store import Upload
from schemas import tables

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class ListOfCampaign:
    """A list that was loaded; `list_no` 1 is the one that the campaign was made from."""

    list_no: int
    name: str
    loaded_at: datetime


def lists(connection: Connection, campaign_id: int) -> list[ListOfCampaign]:
    """The lists of a campaign, in the order in which they came."""
    row = tables.campaign_list
    chosen = select(row.c.list_no, row.c.name, row.c.loaded_at).where(row.c.campaign_id == campaign_id)
    return [ListOfCampaign(*each) for each in connection.execute(chosen.order_by(row.c.list_no).limit(_SHOWN))]


def kept_lists(connection: Connection, campaign_id: int) -> dict[int, Upload]:
    """The lists of a campaign by their number, as long as all of them are kept; none when one is not."""
    row = tables.campaign_list
    chosen = select(row.c.list_no, row.c.upload_id).where(row.c.campaign_id == campaign_id).order_by(row.c.list_no)
    found: dict[int, Upload] = {}
    for list_no, upload_id in connection.execute(chosen).all():
        upload = store.get(connection, upload_id) if upload_id is not None else None
        if upload is None or not upload.there:
            return {}
        found[list_no] = upload
    return found


def retries(connection: Connection, campaign_id: int) -> list[int]:
    """The campaigns that were made of the rejected messages of this one."""
    campaign = tables.campaign
    chosen = select(campaign.c.id).where(campaign.c.retry_of == campaign_id).order_by(campaign.c.id).limit(_SHOWN)
    return list(connection.execute(chosen).scalars())


@dataclass(frozen=True, slots=True)
class RowOfList:
    """Where a message came from: a line of its file, and why it was left out if it was."""

    line: int
    list_name: str | None
    left_out: str | None


def row_of(connection: Connection, campaign_id: int, seq: int) -> RowOfList | None:
    """The line of a message; which list it is of is known as long as the campaign has one."""
    message = tables.message
    chosen = select(message.c.line, message.c.suppressed).where(
        message.c.campaign_id == campaign_id, message.c.seq == seq
    )
    row = connection.execute(chosen).first()
    if row is None:
        return None
    known = lists(connection, campaign_id)
    return RowOfList(row.line, known[0].name if len(known) == 1 else None, row.suppressed)
