"""Erasing a person (Ley 25.326, art. 16): number and texts go, sums stay, and who had said BAJA stays opted out.

What is on its way or in doubt is erased when it ends: until then the person is on the opt-out list, and the tick looks
again. The audit trail names who asked and why, never the number. Lists that hold the number go whole.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, String, cast, delete, func, insert, select, update

from dispatcher import audit_trail
from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.db.transactions import take_time
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated
from dispatcher.suppression import erased, optouts
from dispatcher.uploads import reading, store
from schemas import tables

log = logging.getLogger(__name__)

_ERASED = "(erased)"
_FOLDERS = ("invalid", "spool")
"""Folders of HOME with files that the dispatcher wrote itself."""
_NOT_DIGITS = re.compile(rb"[^0-9]+")
_BLOCK_ROWS = 20_000
_LOOK_BYTES = 1 << 20


@dataclass(slots=True)
class Erased:
    """What was erased; `open`: something is still on its way, and goes when it ends."""

    messages: int = 0
    singles: int = 0
    replies: int = 0
    optouts: int = 0
    invalid_rows: int = 0
    lists: int = 0
    files: int = 0
    open: bool = False


def erase(engine: Engine, settings: Settings, number: str, reason: str) -> Erased:
    """Erase a person by the number (national digits).

    Raises:
        UsageError: no reason was given.
    """
    reason = reason.strip()[:500]
    if not reason:
        raise UsageError(
            translated("Say why: the audit trail keeps it."), hint=translated("For example: asked by letter.")
        )
    # A reason with the number in it would keep what is to be forgotten.
    reason = _without(reason, number)
    erasure = tables.erasure
    with engine.begin() as connection:
        was_out = optouts.find(connection, number) is not None or erased.is_erased(connection, settings.home, number)
        new = insert(erasure).values(
            destino=number, reason=reason, asked_by=str(audit_trail.current()), opted_out=was_out
        )
        erasure_id: int = connection.execute(new.returning(erasure.c.id)).scalar_one()
        if bool(connection.execute(query("open_messages_to"), {"destino": number}).scalar()):
            optouts.add(connection, number, source="operator", reason="erasure")
        audit_trail.record(connection, "person.erase", reason=reason)
    lists = _lists_with(engine, settings, number)
    return _go_on(engine, settings, erasure_id, lists)


def go_on(engine: Engine, settings: Settings) -> None:
    """Finish erasures whose last message has ended; the tick calls it."""
    erasure = tables.erasure
    with engine.connect() as connection:
        open_ones = list(
            connection.execute(select(erasure.c.id).where(erasure.c.done_at.is_(None)).limit(10)).scalars()
        )
    for erasure_id in open_ones:
        _go_on(engine, settings, erasure_id, [])


def _go_on(engine: Engine, settings: Settings, erasure_id: int, lists: list[int]) -> Erased:
    erasure, found = tables.erasure, Erased(lists=len(lists))
    with engine.begin() as connection:
        take_time(connection)
        row = connection.execute(select(erasure).where(erasure.c.id == erasure_id).with_for_update()).one()
        if row.destino is None:  # another tick was quicker
            return found
        for upload_id in lists:
            store.expire(connection, upload_id)
        _messages(connection, row.destino, found)
        _texts(connection, row.destino, found)
        found.open = bool(connection.execute(query("open_messages_to"), {"destino": row.destino}).scalar())
        if not found.open:
            _lists_of_numbers(connection, settings, row, found)
            ended = update(erasure).where(erasure.c.id == erasure_id)
            connection.execute(ended.values(destino=None, done_at=func.now()))
    found.files = _files(settings.home, row.destino)
    log.info("erased erasure=%s open=%s", erasure_id, found.open)
    return found


def _messages(connection: Connection, number: str, found: Erased) -> None:
    gone = connection.execute(query("erase_messages"), {"destino": number}).all()
    found.messages = len(gone)
    places = {"campaigns": [row.campaign_id for row in gone], "seqs": [row.seq for row in gone]}
    connection.execute(query("erase_result_lines"), places)
    single = tables.single_message
    mine = update(single).where(single.c.destino == number, single.c.state != "sending")
    found.singles = connection.execute(mine.values(destino="", texto=_ERASED, html=None, text=_ERASED)).rowcount


def _texts(connection: Connection, number: str, found: Erased) -> None:
    """Everything else that can hold the number or what the person wrote."""
    reply = tables.reply
    wrote = update(reply).where(reply.c.origen == number)
    found.replies = connection.execute(wrote.values(origen="", texto=_ERASED, plain=_ERASED)).rowcount
    found.invalid_rows = connection.execute(query("erase_invalid_rows"), {"destino": number}).rowcount
    for table, column in (
        (tables.list_check, tables.list_check.c.report),
        (tables.list_check, tables.list_check.c.spec),
        (tables.preparation, tables.preparation.c.inspection),
        (tables.webhook_event, tables.webhook_event.c.body),
    ):
        holds = func.regexp_replace(cast(column, String), "[^0-9]", "", "g").contains(number, autoescape=True)
        if table is tables.webhook_event:
            connection.execute(update(table).where(holds).values(body=None))
        else:
            connection.execute(delete(table).where(holds))
    request = tables.campaign_request
    holds = func.regexp_replace(cast(request.c.payload, String), "[^0-9]", "", "g").contains(number, autoescape=True)
    connection.execute(update(request).where(holds, request.c.state != "received").values(payload=None))
    replay = tables.api_replay
    answered = func.regexp_replace(func.encode(replay.c.answer, "escape"), "[^0-9]", "", "g")
    connection.execute(delete(replay).where(answered.contains(number, autoescape=True)))


def _lists_of_numbers(connection: Connection, settings: Settings, row: Any, found: Erased) -> None:
    """The opt-out and do-not-send lists, when nothing needs them any more; an opt-out is kept as a hash."""
    if row.opted_out:
        erased.remember(connection, settings.home, row.destino)
    found.optouts = connection.execute(delete(tables.optout).where(tables.optout.c.destino == row.destino)).rowcount
    for table in (tables.optout_event, tables.undeliverable):
        connection.execute(delete(table).where(table.c.destino == row.destino))


def _lists_with(engine: Engine, settings: Settings, number: str) -> list[int]:
    """The uploaded lists that hold the number in any written form, read through: they are kept for some days only."""
    upload = tables.upload
    with engine.connect() as connection:
        kept = list(connection.execute(select(upload.c.id).where(upload.c.dropped_at.is_(None))).scalars())
        known = set(connection.execute(query("campaigns_of_number"), {"destino": number}).scalars())
    return [each for each in kept if each in known or _holds(engine, settings, each, number)]


def _holds(engine: Engine, settings: Settings, upload_id: int, number: str) -> bool:
    from dispatcher.home import spool

    with engine.connect() as connection:
        found = store.get(connection, upload_id)
    if found is None or not found.there:
        return False
    try:
        with reading.open_list(engine, found, spool(settings.home)) as source:
            wanted = range(len(source.table.columns))
            for block in source.table.blocks(wanted, _BLOCK_ROWS):
                for row in block.frame.iter_rows():
                    if any(number in re.sub(r"[^0-9]", "", str(cell)) for cell in row if cell):
                        return True
    except UsageError:  # no table: it is searched as bytes
        with reading.open_file(engine, found) as stream:
            return _in_stream(stream, number)
    return False


def _files(home: Path, number: str) -> int:
    """Delete the files of ours that hold the number."""
    gone = 0
    for folder in _FOLDERS:
        for path in (home / folder).glob("**/*"):
            try:
                if path.is_file() and _in_file(path, number):
                    path.unlink()
                    gone += 1
            except OSError as error:
                log.warning("file_not_looked_at why=%s", type(error).__name__)
    return gone


def _in_file(path: Path, number: str) -> bool:
    if path.suffix == ".xlsx":
        # Packed: it goes with the CSV beside it, which holds the same rows.
        beside = path.with_suffix(".csv")
        return not beside.exists() or _in_file(beside, number)
    with path.open("rb") as stream:
        return _in_stream(stream, number)


def _in_stream(stream: Any, number: str) -> bool:
    wanted, held = number.encode(), b""
    while piece := stream.read(_LOOK_BYTES):
        digits = held + _NOT_DIGITS.sub(b"", piece)
        if wanted in digits:
            return True
        held = digits[-len(wanted) :]
    return False


def _without(text: str, number: str) -> str:
    """A text whose digits are not the number's."""
    return "(number)" if number in re.sub(r"[^0-9]", "", text) else text
