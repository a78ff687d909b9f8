"""Finds messages of a campaign by status, code, number or own id: any page, of any campaign, at about the same cost.

Status and code are looked up in the counters of chunks first, a number or an own id in the filters of the index
`message_numbers`. Vacuum makes those: where it has not been yet, an own id is searched in slices, for a bounded time;
the answer says how far the search came.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, column, func, select, table
from sqlalchemy.exc import OperationalError

from dispatcher.campaigns.messages import COLUMNS
from dispatcher.db.errors import sqlstate
from dispatcher.db.statements import query
from dispatcher.db.transactions import pin_ordered_lookups
from schemas import tables
from schemas.states import STATUS_OF_CHUNK_STATE, MessageStatus

_VIEW = table("message_status", *(column(name) for name in COLUMNS))
_LOWEST, _HIGHEST = -99, 1
_OF_CODES = {
    MessageStatus.OK: (0, 0),
    MessageStatus.SIMULATED: (1, 1),
    MessageStatus.REJECTED: (_LOWEST, -1),
}
_SLICE = 100_000
_CANCELLED = "57014"
_SECONDS = 2.0
"""How long a search by own id goes on, in the index and in slices each."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to find; None asks for nothing. Numbers are national digits."""

    status: MessageStatus | None = None
    code: int | None = None
    number: str | None = None
    external_id: str | None = None

    def codes(self) -> tuple[int, int] | None:
        """The first and the last code that fit; None when none can, or none is asked for."""
        if self.status is not None and self.status not in _OF_CODES:
            return None
        first, last = _OF_CODES[self.status] if self.status is not None else (_LOWEST, _HIGHEST)
        if self.code is None:
            return (first, last) if self.status is not None else None
        return (self.code, self.code) if first <= self.code <= last else None


@dataclass(frozen=True, slots=True)
class Found:
    """A page: messages in order of `seq`, columns named as the API names them; `next` begins the next page."""

    rows: list[Row[Any]]
    next: int | None
    searched_to: int | None = None
    """Where a search by own id stopped, since it took too long; `next` goes on there."""


def search(connection: Connection, campaign_id: int, wanted: Search, after: int, limit: int) -> Found:
    """A page of the messages that fit, after the one that is known."""
    pin_ordered_lookups(connection)
    if wanted.number is not None:
        return _by_number(connection, campaign_id, wanted, after, limit)
    if wanted.external_id is not None:
        return _by_own_id(connection, campaign_id, wanted, after, limit)
    if wanted.status is None and wanted.code is None:
        rows = _read(connection, campaign_id, after, limit=limit + 1)
        return Found(rows[:limit], rows[limit - 1].seq if len(rows) > limit else None)
    places = _by_counters(connection, campaign_id, wanted, after, limit + 1)
    more = len(places) > limit
    return Found(_at(connection, campaign_id, places[:limit], wanted), places[limit - 1] if more else None)


def _by_counters(connection: Connection, campaign_id: int, wanted: Search, after: int, limit: int) -> list[int]:
    codes = wanted.codes()
    states = [state for state, status in STATUS_OF_CHUNK_STATE.items() if status == wanted.status]
    left_out = wanted.status is MessageStatus.SUPPRESSED
    if codes is None and (wanted.code is not None or not (states or left_out)):
        return []
    first, last = codes or (0, 0)
    parameters = {
        "campaign_id": campaign_id,
        "after": after,
        "limit": limit,
        "states": states if codes is None and not left_out else None,
        "left_out": left_out,
        "lowest": first,
        "highest": last,
    }
    return list(connection.execute(query("messages_in_chunks"), parameters).scalars())


def _by_number(connection: Connection, campaign_id: int, wanted: Search, after: int, limit: int) -> Found:
    _use_filters(connection)
    where = {"campaign_id": campaign_id, "destino": wanted.number, "after": after, "limit": limit + 1}
    places = list(connection.execute(query("messages_to_number_in_campaign"), where).scalars())
    return _found(connection, campaign_id, places, replace(wanted, number=None), limit)


def _use_filters(connection: Connection) -> None:
    # The filters are a bitmap's, which the plans of this transaction otherwise do without.
    connection.exec_driver_sql("SET LOCAL enable_bitmapscan = on; SET LOCAL enable_sort = on")


def _found(connection: Connection, campaign_id: int, places: list[int], rest: Search, limit: int) -> Found:
    more = len(places) > limit
    return Found(_at(connection, campaign_id, places[:limit], rest), places[limit - 1] if more else None)


def _by_own_id(connection: Connection, campaign_id: int, wanted: Search, after: int, limit: int) -> Found:
    where = {"campaign_id": campaign_id, "external_id": wanted.external_id, "after": after, "limit": limit + 1}
    try:
        with connection.begin_nested():
            _use_filters(connection)
            connection.execute(select(func.set_config("statement_timeout", f"{int(_SECONDS * 1000) or 1}ms", True)))
            places = list(connection.execute(query("messages_with_own_id_in_campaign"), where).scalars())
    except OperationalError as error:
        if sqlstate(error) != _CANCELLED:
            raise
        return _in_slices(connection, campaign_id, wanted, after, limit)
    return _found(connection, campaign_id, places, replace(wanted, external_id=None), limit)


def _in_slices(connection: Connection, campaign_id: int, wanted: Search, after: int, limit: int) -> Found:
    message, ends = tables.message, time.monotonic() + _SECONDS
    last = connection.execute(
        select(message.c.seq).where(message.c.campaign_id == campaign_id).order_by(message.c.seq.desc()).limit(1)
    ).scalar()
    places: list[int] = []
    at = after
    while last is not None and at < last and len(places) <= limit and (at == after or time.monotonic() < ends):
        part = select(message.c.seq).where(
            message.c.campaign_id == campaign_id,
            message.c.seq > at,
            message.c.seq <= at + _SLICE,
            message.c.external_id == wanted.external_id,
        )
        places += connection.execute(part.order_by(message.c.seq).limit(limit + 1)).scalars()
        at += _SLICE
    rows = _at(connection, campaign_id, places[:limit], replace(wanted, external_id=None))
    if len(places) > limit:
        return Found(rows, places[limit - 1])
    return Found(rows, at, searched_to=at) if last is not None and at < last else Found(rows, None)


def _at(connection: Connection, campaign_id: int, places: list[int], wanted: Search) -> list[Row[Any]]:
    """The messages in these places, without those that do not fit what else is wanted."""
    if not places:
        return []
    rows = _read(connection, campaign_id, places[0] - 1, places=places)
    return [
        row
        for row in rows
        if wanted.status in (None, row.status)
        and wanted.code in (None, row.result_code)
        and wanted.external_id in (None, row.external_id)
    ]


def _read(
    connection: Connection, campaign_id: int, after: int, *, limit: int | None = None, places: list[int] | None = None
) -> list[Row[Any]]:
    chosen = select(*(_VIEW.c[name].label(label) for name, label in COLUMNS.items())).where(
        _VIEW.c.campaign_id == campaign_id, _VIEW.c.seq > after
    )
    if places is not None:
        chosen = chosen.where(_VIEW.c.seq.in_(places))
    return list(connection.execute(chosen.order_by(_VIEW.c.seq).limit(limit)))
