"""Erasing a person (Ley 25.326, art. 16): number and texts go, sums stay, and who had said BAJA stays opted out.

What is on its way or in doubt is erased when it ends: until then the person is on the opt-out list, and the tick looks
again. The audit trail names who asked and why, never the number. Lists that hold the number go whole.
"""

from __future__ import annotations

import logging
import re
import zipfile
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, String, cast, delete, func, insert, select, update

from dispatcher import audit_trail
from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.db.transactions import take_time
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.i18n.words import translated
from dispatcher.suppression import erased, optouts
from dispatcher.uploads import reading, store
from schemas import tables

log = logging.getLogger(__name__)

_ERASED = "(erased)"
_FOLDERS = ("invalid", "spool")
"""Folders of HOME with files that the dispatcher wrote itself."""
_NOT_DIGIT = re.compile(r"[^0-9]+")
_BLOCK_ROWS = 20_000
_LOOK_BYTES = 1 << 20
_PULLED_WITHIN = timedelta(days=1)
"""A PUSH that no pulled reply has met for so long, as in `open_messages_to`, is not met any more."""
_LOOKED_AT = 10
"""Erasures that one tick looks at, drawn anew each time: some wait for months, and others must not wait for them."""


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
    """Erase a person by the number (national digits). Asked again, it goes on where it was.

    Raises:
        UsageError: no reason was given, or a list that holds the number is being loaded just now.
        WrongErasureKey: this host does not have the key that opt-outs of erased persons are kept under.
    """
    reason = reason.strip()[:500]
    if not reason:
        raise UsageError(
            translated("Say why: the audit trail keeps it."), hint=translated("For example: asked by letter.")
        )
    # A reason with the number in it would keep what is to be forgotten.
    reason = _ERASED if _holds_any(_digits(reason), _forms(number)) else reason
    # First, since it takes longest and may fail: nothing is recorded before it is known which lists go.
    lists = _lists_with(engine, settings, number)
    erasure = tables.erasure
    with engine.begin() as connection:
        _require_none_loading(connection, lists, number)
        waits = select(erasure.c.id).where(erasure.c.destino == number, erasure.c.done_at.is_(None))
        erasure_id = connection.execute(waits.order_by(erasure.c.id).limit(1).with_for_update()).scalar()
        if erasure_id is None:
            erasure_id = _begin(connection, settings, number, reason)
        for upload_id in lists:
            store.expire(connection, upload_id)
        audit_trail.record(connection, "person.erase", reason=reason)
    found = _erase(engine, erasure_id)
    found.lists = len(lists)
    found.files = _files(settings.home, number)
    return found


def _begin(connection: Connection, settings: Settings, number: str, reason: str) -> int:
    """Record the erasure, and see to it that nothing more is sent to the person; its number."""
    erasure = tables.erasure
    was_out = optouts.find(connection, number) is not None or erased.is_erased(connection, settings.home, number)
    if was_out:
        erased.remember(connection, settings.home, number)
    new = insert(erasure).values(destino=number, reason=reason, asked_by=str(audit_trail.current()), opted_out=was_out)
    erasure_id: int = connection.execute(new.returning(erasure.c.id)).scalar_one()
    if _is_open(connection, number):
        optouts.add(connection, number, source="operator", reason=optouts.ERASURE)
    return erasure_id


def _is_open(connection: Connection, number: str) -> bool:
    """Whether something about the person is still to come, or may be in a list that is being loaded."""
    if not erased.none_loads(connection):
        return True
    return bool(connection.execute(query("open_messages_to"), {"destino": number}).scalar())


def go_on(engine: Engine) -> None:
    """Finish erasures whose last message has ended; the tick calls it."""
    erasure = tables.erasure
    open_ones = select(erasure.c.id, erasure.c.destino).where(erasure.c.done_at.is_(None))
    with engine.connect() as connection:
        ended = [
            row.id
            for row in connection.execute(open_ones.order_by(func.random()).limit(_LOOKED_AT)).all()
            if not _is_open(connection, row.destino)
        ]
    for erasure_id in ended:
        _erase(engine, erasure_id)


def _erase(engine: Engine, erasure_id: int) -> Erased:
    """Erase what can go now; all of it, once nothing is open any more."""
    erasure, found = tables.erasure, Erased()
    with engine.begin() as connection:
        take_time(connection)
        row = connection.execute(select(erasure).where(erasure.c.id == erasure_id).with_for_update()).one()
        if row.destino is None:  # another tick was quicker
            return found
        # Whoever says BAJA while the erasure waits was not kept as a hash: the entry stays, as it would for anybody.
        said_so = not row.opted_out and _said_meanwhile(connection, row.destino)
        # Before the rest: a load that ends meanwhile is looked at the next time.
        found.open = _is_open(connection, row.destino)
        for upload_id in _campaign_lists(connection, row.destino):  # of a campaign that was being loaded, too
            store.expire(connection, upload_id)
        _messages(connection, row.destino, found)
        _texts(connection, row.destino, found)
        if not found.open:
            _lists_of_numbers(connection, row.destino, found, keep_optout=said_so)
            ended = update(erasure).where(erasure.c.id == erasure_id)
            connection.execute(ended.values(destino=None, done_at=func.now()))
    log.info("erased erasure=%s open=%s", erasure_id, found.open)
    return found


def _require_none_loading(connection: Connection, lists: list[int], number: str) -> None:
    request = tables.campaign_request
    holds = request.c.upload_id.in_(lists) | _written(request.c.payload, "|".join(_forms(number)))
    loading = select(request.c.upload_id).where(request.c.state == "received", holds)
    if connection.execute(loading).first() is not None:
        raise UsageError(
            translated("A list that holds the number is being loaded just now."),
            hint=translated("Try again in a minute."),
        )


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
    reply, forms = tables.reply, "|".join(_forms(number))
    met = reply.c.provider_id.is_not(None) | reply.c.repeated_at.is_not(None)
    wrote = update(reply).where(reply.c.origen == number, met | (reply.c.received_at <= func.now() - _PULLED_WITHIN))
    found.replies = connection.execute(wrote.values(origen="", texto=_ERASED, plain=_ERASED)).rowcount
    found.invalid_rows = connection.execute(query("erase_invalid_rows"), {"forms": forms}).rowcount
    check, preparation, event = tables.list_check, tables.preparation, tables.webhook_event
    connection.execute(delete(check).where(_written(check.c.report, forms) | _written(check.c.spec, forms)))
    connection.execute(delete(preparation).where(_written(preparation.c.inspection, forms)))
    connection.execute(update(event).where(_written(event.c.body, forms)).values(body=None))
    request, replay = tables.campaign_request, tables.api_replay
    taken = update(request).where(_written(request.c.payload, forms), request.c.state != "received")
    connection.execute(taken.values(payload=None))
    connection.execute(delete(replay).where(_written(func.encode(replay.c.answer, "escape"), forms)))


def _written(column: Any, forms: str) -> ColumnElement[bool]:
    """Whether the digits of a column have one of the forms; null has none."""
    digits = func.regexp_replace(cast(column, String), "[^0-9]", "", "g")
    return func.coalesce(digits.regexp_match(forms), False)


def _said_meanwhile(connection: Connection, number: str) -> bool:
    """Whether the person was opted out by whomever since the erasure made its own entry."""
    kept = optouts.find(connection, number)
    return kept is not None and (kept.source, kept.reason) != ("operator", optouts.ERASURE)


def _lists_of_numbers(connection: Connection, number: str, found: Erased, *, keep_optout: bool) -> None:
    """The opt-out and do-not-send lists, when nothing needs them any more."""
    out = tables.optout
    if keep_optout:
        connection.execute(update(out).where(out.c.destino == number).values(reason=None))
    else:
        found.optouts = connection.execute(delete(out).where(out.c.destino == number)).rowcount
    for table in (tables.optout_event, tables.undeliverable):
        connection.execute(delete(table).where(table.c.destino == number))


def _forms(number: str) -> list[str]:
    """The digits of a number as people write them: as they are, and with a 15 after an area code of two to four."""
    return [number, *(f"{number[:area]}15{number[area:]}" for area in (2, 3, 4))]


def _digits(text: str) -> str:
    return _NOT_DIGIT.sub("", text)


def _holds_any(digits: str, forms: list[str]) -> bool:
    return any(form in digits for form in forms)


def _lists_with(engine: Engine, settings: Settings, number: str) -> list[int]:
    """The uploaded lists that hold the number, read through: they are kept for some days only."""
    upload = tables.upload
    with engine.connect() as connection:
        kept = list(connection.execute(select(upload.c.id).where(upload.c.dropped_at.is_(None))).scalars())
        known = _campaign_lists(connection, number)
    return [each for each in kept if each in known or _holds(engine, settings, each, _forms(number))]


def _campaign_lists(connection: Connection, number: str) -> set[int]:
    return set(connection.execute(query("campaigns_of_number"), {"destino": number}).scalars())


def _holds(engine: Engine, settings: Settings, upload_id: int, forms: list[str]) -> bool:
    with engine.connect() as connection:
        found = store.get(connection, upload_id)
    if found is None or not found.there:
        return False
    try:
        with reading.open_list(engine, found, spool(settings.home)) as source:
            wanted = range(len(source.table.columns))
            for block in source.table.blocks(wanted, _BLOCK_ROWS):
                cells = (cell for row in block.frame.drop("line", "raw").iter_rows() for cell in row if cell)
                unread = (row.raw for row in block.invalid_rows)
                if any(_holds_any(_digits(each), forms) for each in chain(cells, unread)):
                    return True
    except UsageError:  # no table: it is searched as bytes
        with reading.open_file(engine, found) as stream:
            return _in_stream(stream, forms)
    return False


def _files(home: Path, number: str) -> int:
    """Delete the files of ours that hold the number."""
    gone, forms = 0, _forms(number)
    for folder in _FOLDERS:
        for path in (home / folder).glob("**/*"):
            try:
                if path.is_file() and _in_file(path, forms):
                    path.unlink()
                    gone += 1
            except OSError as error:
                log.warning("file_not_looked_at why=%s", type(error).__name__)
    return gone


def _in_file(path: Path, forms: list[str]) -> bool:
    if path.suffix == ".xlsx" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as book:
            return any(_in_stream(book.open(name), forms) for name in book.namelist())
    with path.open("rb") as stream:
        return _in_stream(stream, forms)


def _in_stream(stream: Any, forms: list[str]) -> bool:
    longest, held = max(map(len, forms)), ""
    while piece := stream.read(_LOOK_BYTES):
        digits = held + _digits(piece.decode("latin-1"))
        if _holds_any(digits, forms):
            return True
        held = digits[-longest:]
    return False
