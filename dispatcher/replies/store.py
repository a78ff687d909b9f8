"""Where replies are stored: each once, linked to the message that it answers; a BAJA opts its sender out at once.

A PUSH brings no number and no time (guide, "Recepción de mensajes vía HTTP (PUSH)"), so it is provisional until the
same reply is pulled: same sender, text and idinterno within ten minutes. They are matched one to one, oldest first,
whichever of the two comes first. Times are the provider's (-03), by its measured clock.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, exists, func, select
from sqlalchemy.dialects.postgresql import insert

from dispatcher.accounts import provider_clock
from dispatcher.db.statements import query
from dispatcher.domain import idinterno
from dispatcher.domain.phone import PhoneProblem, normalise
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.provider.replies import Reply
from dispatcher.runtime import Runtime
from dispatcher.suppression import optouts
from dispatcher.webhooks import outbox
from dispatcher.webhooks.event_types import EventType
from schemas import tables

log = logging.getLogger(__name__)

MAX_TEXT = 2_000
"""Characters of a text that are kept; a long SMS of ten parts has fewer."""
_BATCH = 1_000

Way = Literal["pull", "soap", "push"]
Links = dict[str, tuple[int, int]]
"""(campaign, seq) by idinterno."""


@dataclass(frozen=True, slots=True)
class _Incoming:
    """One reply, ready to be stored."""

    origen: str
    texto: str
    plain: str
    idinterno: str | None
    provider_id: int | None = None
    received_at: datetime | None = None


def _before(reply: _Incoming, moment: datetime) -> bool:
    return reply.received_at is not None and reply.received_at < moment


def plain(texto: str) -> str:
    """What a PUSH and a pulled copy of one text have in common.

    The inbox writes latin-1 and loses every other letter; its lines hold no tabs and no line ends.
    """
    composed = unicodedata.normalize("NFC", texto)
    latin = "".join(char if ord(char) < 256 else "?" for char in composed)
    return " ".join(re.sub(r"\?[\s?]*", "? ", latin).split())


def sender(origen: str, country: str) -> str:
    """The number that a reply came from: national digits where it is a number of that country, else as it came."""
    found = normalise(origen, country)
    return origen.strip() if isinstance(found, PhoneProblem) else found


class ReplyStore:
    """Stores the replies of one account."""

    def __init__(self, runtime: Runtime, account_id: int) -> None:
        """Nothing is read yet."""
        self._engine = runtime.engine
        self._account_id = account_id
        self._country = runtime.settings.country
        self._words = optouts.Words(runtime.settings.optout_words, runtime.settings.review_words)

    def pulled(self, replies: Iterable[Reply], way: Way) -> list[int]:
        """Store pulled replies, which come newest first. Returns the row numbers of what was new, or met its PUSH."""
        incoming = [self._incoming(each.origen, each.texto, each.idinterno, each) for each in reversed([*replies])]
        kept: list[int] = []
        for start in range(0, len(incoming), _BATCH):
            with self._engine.begin() as connection:
                kept += self._store_batch(connection, incoming[start : start + _BATCH], way)
        return kept

    def pushed(self, origen: str, texto: str, reference: str | None) -> tuple[int, bool]:
        """Store a PUSH; it is committed when this returns.

        Returns:
            The row's number, and whether it is new (False: its reply had been pulled before).
        """
        incoming = self._incoming(origen, texto, reference)
        with self._engine.begin() as connection:
            self._lock(connection)
            now = provider_clock.now_at_provider(connection, self._account_id)
            parameters = {"origen": incoming.origen, "plain": incoming.plain, "idinterno": incoming.idinterno}
            known = connection.execute(
                query("meet_pulled"), {"account_id": self._account_id, "now": now, **parameters}
            ).scalar()
            if known is not None:
                return int(known), False
            (number,) = self._insert(connection, [incoming], "push", now)
            return number, True

    def drop_repeats(self, read_at: datetime) -> int:
        """Set aside the PUSHes that came twice; `read_at` is when the whole inbox was read. Returns how many."""
        with self._engine.begin() as connection:
            self._lock(connection)
            parameters = {"account_id": self._account_id, "read_at": read_at}
            return len(connection.execute(query("drop_repeats"), parameters).all())

    def _incoming(self, origen: str, texto: str, reference: str | None, reply: Reply | None = None) -> _Incoming:
        said = texto.replace("\x00", " ")[:MAX_TEXT]
        return _Incoming(
            origen=sender(origen, self._country),
            texto=said,
            plain=plain(said),
            idinterno=(reference or "").strip().replace("\x00", "")[:50] or None,
            provider_id=reply.id if reply else None,
            received_at=reply.fecha.replace(tzinfo=PROVIDER_ZONE) if reply else None,
        )

    def _lock(self, connection: Connection) -> None:
        connection.execute(query("lock_inbox"), {"account_id": self._account_id})

    def _store_batch(self, connection: Connection, batch: Sequence[_Incoming], way: Way) -> list[int]:
        self._lock(connection)
        new = self._new(connection, batch)
        if not new:
            return []
        kept, unmet = [], new
        if self._pushes_wait(connection):
            met = {each.provider_id: self._meet_push(connection, each) for each in new}
            kept = [number for number in met.values() if number is not None]
            unmet = [each for each in new if met[each.provider_id] is None]
        return kept + self._insert(connection, unmet, way)

    def _new(self, connection: Connection, batch: Sequence[_Incoming]) -> list[_Incoming]:
        """The batch's replies that are not stored yet, without duplicates, and without those that were dropped."""
        account = tables.account.c
        kept_from = connection.execute(select(account.replies_kept_from).where(account.id == self._account_id)).scalar()
        once = {each.provider_id: each for each in batch if not (kept_from and _before(each, kept_from))}
        reply = tables.reply.c
        known = select(reply.provider_id).where(reply.account_id == self._account_id, reply.provider_id.in_(once))
        for number in connection.execute(known).scalars():
            once.pop(number, None)
        return list(once.values())

    def _pushes_wait(self, connection: Connection) -> bool:
        """Whether any PUSH waits for its pulled reply."""
        reply = tables.reply.c
        provisional = (reply.provider_id.is_(None), reply.repeated_at.is_(None))
        wanted = select(exists().where(reply.account_id == self._account_id, *provisional))
        return bool(connection.execute(wanted).scalar())

    def _meet_push(self, connection: Connection, incoming: _Incoming) -> int | None:
        """Make one row of a pulled reply and its PUSH; None when no PUSH is the same reply."""
        parameters = {
            "account_id": self._account_id,
            "provider_id": incoming.provider_id,
            "origen": incoming.origen,
            "texto": incoming.texto,
            "plain": incoming.plain,
            "idinterno": incoming.idinterno,
            "received_at": incoming.received_at,
        }
        number = connection.execute(query("adopt_push"), parameters).scalar()
        return None if number is None else int(number)

    def _insert(
        self, connection: Connection, incoming: Sequence[_Incoming], way: Way, at: datetime | None = None
    ) -> list[int]:
        """Store replies that nobody had; those that say BAJA opt their senders out. Returns the rows' numbers."""
        if not incoming:
            return []
        links = self._links(connection, incoming)
        reply = tables.reply
        new = insert(reply).on_conflict_do_nothing(index_elements=["account_id", "provider_id"])
        if way == "push":
            new = new.values(pushed_at=func.clock_timestamp())
        rows = [self._row(each, links, way, at) for each in incoming]
        shown = (
            *(reply.c.id, reply.c.kind, reply.c.campaign_id, reply.c.seq, reply.c.idinterno),
            *(reply.c.origen, reply.c.texto, reply.c.received_at),
        )
        stored = connection.execute(new.returning(*shown), rows).all()
        for row in stored:
            log.info("reply no=%s way=%s kind=%s campaign=%s", row.id, way, row.kind, row.campaign_id)
            if row.kind == "optout":
                optouts.add(connection, row.origen, source="reply", reason=row.texto, at=row.received_at)
        outbox.tell_all(connection, EventType.REPLY_RECEIVED, [(row.campaign_id, _told(row)) for row in stored])
        return [row.id for row in stored]

    def _row(self, incoming: _Incoming, links: Links, way: Way, at: datetime | None) -> dict[str, Any]:
        campaign_id, seq = links.get(incoming.idinterno or "", (None, None))
        return {
            "account_id": self._account_id,
            "provider_id": incoming.provider_id,
            "origen": incoming.origen,
            "texto": incoming.texto,
            "plain": incoming.plain,
            "received_at": at or incoming.received_at,
            "idinterno": incoming.idinterno,
            "campaign_id": campaign_id,
            "seq": seq,
            "source": way,
            "kind": self._words.meant_by(incoming.texto),
        }

    def _links(self, connection: Connection, incoming: Sequence[_Incoming]) -> Links:
        """The message that each reply answers, where its idinterno is one of ours."""
        decoded = {each.idinterno: idinterno.decode(each.idinterno) for each in incoming if each.idinterno}
        wanted = {found.campaign_id for found in decoded.values() if found and found.campaign_id < 2**63}
        if not wanted:
            return {}
        campaign = tables.campaign.c
        ours = select(campaign.id, campaign.prefix, campaign.messages).where(
            campaign.account_id == self._account_id, campaign.id.in_(sorted(wanted))
        )
        campaigns = {row.id: row for row in connection.execute(ours)}
        return {
            name: (found.campaign_id, found.seq)
            for name, found in decoded.items()
            if found
            and (known := campaigns.get(found.campaign_id))
            and known.prefix == found.prefix
            and found.seq <= known.messages
        }


def _told(row: Any) -> dict[str, Any]:
    """What other services are told of a reply: who wrote what is behind the link."""
    return {
        "reply_id": row.id,
        "kind": row.kind,
        "seq": row.seq,
        "idinterno": row.idinterno,
        "received_at": row.received_at.isoformat(),
        "link": f"/api/v1/replies/{row.id}",
    }
