"""Where replies are kept: each once, linked to the message that it answers, heeded when it says BAJA.

A PUSH brings no number and no time (guide, "Recepción de mensajes vía HTTP (PUSH)"), so it is provisional until the
pulled reply that it is one with is known: same number, text and idinterno within ten minutes, one to one, oldest
first, whichever of the two comes first. Times are the provider's (-03); its clock is measured.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, text

from dispatcher.accounts import provider_clock
from dispatcher.db.statements import query
from dispatcher.domain import idinterno
from dispatcher.domain.phone import PhoneProblem, normalise
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.provider.replies import Reply
from dispatcher.runtime import Runtime
from dispatcher.suppression import optouts

log = logging.getLogger(__name__)

MAX_TEXT = 2_000
"""Characters of a reply's text that are taken; ten parts of a long SMS are fewer."""
_BATCH = 200

Way = Literal["pull", "soap", "push"]


@dataclass(frozen=True, slots=True)
class _Incoming:
    """One reply on its way into the table."""

    origen: str
    texto: str
    plain: str
    idinterno: str | None
    provider_id: int | None = None
    received_at: datetime | None = None


def plain(texto: str) -> str:
    """What PUSH and PULL of one reply agree on: latin-1 loses other letters, the inbox's lines have no tabs or ends."""
    composed = unicodedata.normalize("NFC", texto)
    latin = "".join(char if ord(char) < 256 else "?" for char in composed)
    return " ".join(re.sub(r"\?[\s?]*", "? ", latin).split())


def number_of(origen: str, country: str) -> str:
    """Who wrote, in national digits where that can be told, else as it came."""
    found = normalise(origen, country)
    return origen.strip() if isinstance(found, PhoneProblem) else found


class ReplyStore:
    """Stores the replies of one account."""

    def __init__(self, runtime: Runtime, account_id: int) -> None:
        """Nothing is read yet."""
        self._engine = runtime.engine
        self._account_id = account_id
        self._country = runtime.settings.country
        self._words = optouts.Words(runtime.settings.optout_words)

    def pulled(self, replies: Iterable[Reply], way: Way) -> list[int]:
        """Store what a pull brought, the oldest first. Returns the row numbers of what was new, or met its PUSH."""
        coming = [self._incoming(reply.origen, reply.texto, reply.idinterno, reply) for reply in reversed([*replies])]
        kept: list[int] = []
        for start in range(0, len(coming), _BATCH):
            batch = coming[start : start + _BATCH]
            with self._engine.begin() as connection:
                connection.execute(query("lock_inbox"), {"account_id": self._account_id})
                known = self._known(connection, batch)
                links = self._links(connection, batch)
                for each in batch:
                    if each.provider_id not in known:
                        kept += self._take(connection, each, links, way)
        return kept

    def pushed(self, origen: str, texto: str, reference: str | None) -> tuple[int, bool]:
        """Store what a PUSH brought, committed when this returns.

        Returns:
            The row's number, and whether it is new (False: its reply had been pulled already).
        """
        coming = self._incoming(origen, texto, reference)
        with self._engine.begin() as connection:
            connection.execute(query("lock_inbox"), {"account_id": self._account_id})
            now = provider_clock.now_at_provider(connection, self._account_id)
            met = connection.execute(
                query("meet_pulled"),
                {
                    "account_id": self._account_id,
                    "origen": coming.origen,
                    "plain": coming.plain,
                    "idinterno": coming.idinterno,
                    "now": now,
                },
            ).scalar()
            if met is not None:
                return int(met), False
            links = self._links(connection, [coming])
            (number,) = self._insert(connection, coming, links, "push", now)
            return number, True

    def drop_repeats(self, read_at: datetime) -> int:
        """After the whole inbox was read: set repeated PUSHes aside. Returns how many."""
        with self._engine.begin() as connection:
            connection.execute(query("lock_inbox"), {"account_id": self._account_id})
            return len(
                connection.execute(query("drop_repeats"), {"account_id": self._account_id, "read_at": read_at}).all()
            )

    def _incoming(self, origen: str, texto: str, reference: str | None, reply: Reply | None = None) -> _Incoming:
        said = texto.replace("\x00", " ")[:MAX_TEXT]
        return _Incoming(
            origen=number_of(origen, self._country),
            texto=said,
            plain=plain(said),
            idinterno=(reference or "").strip().replace("\x00", "")[:50] or None,
            provider_id=reply.id if reply else None,
            received_at=reply.fecha.replace(tzinfo=PROVIDER_ZONE) if reply else None,
        )

    def _known(self, connection: Connection, batch: Sequence[_Incoming]) -> set[int]:
        return set(
            connection.execute(
                text("SELECT provider_id FROM reply WHERE account_id = :account AND provider_id = ANY(:ids)"),
                {"account": self._account_id, "ids": [each.provider_id for each in batch]},
            ).scalars()
        )

    def _links(self, connection: Connection, batch: Sequence[_Incoming]) -> dict[str, tuple[int, int]]:
        """(campaign, seq) of each idinterno that is one of ours."""
        decoded = {each.idinterno: idinterno.decode(each.idinterno) for each in batch if each.idinterno}
        wanted = {found.campaign_id for found in decoded.values() if found and found.campaign_id < 2**63}
        if not wanted:
            return {}
        rows = connection.execute(
            text("SELECT id, prefix, messages FROM campaign WHERE account_id = :account AND id = ANY(:ids)"),
            {"account": self._account_id, "ids": sorted(wanted)},
        ).all()
        campaigns = {row.id: row for row in rows}
        return {
            name: (found.campaign_id, found.seq)
            for name, found in decoded.items()
            if found
            and (campaign := campaigns.get(found.campaign_id))
            and campaign.prefix == found.prefix
            and found.seq <= campaign.messages
        }

    def _take(
        self, connection: Connection, coming: _Incoming, links: dict[str, tuple[int, int]], way: Way
    ) -> list[int]:
        adopted = connection.execute(
            query("adopt_push"),
            {
                "account_id": self._account_id,
                "provider_id": coming.provider_id,
                "origen": coming.origen,
                "texto": coming.texto,
                "plain": coming.plain,
                "idinterno": coming.idinterno,
                "received_at": coming.received_at,
            },
        ).scalar()
        if adopted is not None:
            return [int(adopted)]
        return self._insert(connection, coming, links, way, coming.received_at)

    def _insert(
        self,
        connection: Connection,
        coming: _Incoming,
        links: dict[str, tuple[int, int]],
        way: Way,
        at: datetime | None,
    ) -> list[int]:
        campaign_id, seq = links.get(coming.idinterno or "", (None, None))
        kind = self._words.meant_by(coming.texto)
        number = connection.execute(
            query("store_reply"),
            {
                "account_id": self._account_id,
                "provider_id": coming.provider_id,
                "origen": coming.origen,
                "texto": coming.texto,
                "plain": coming.plain,
                "received_at": at,
                "idinterno": coming.idinterno,
                "campaign_id": campaign_id,
                "seq": seq,
                "source": way,
                "kind": kind,
            },
        ).scalar()
        if number is None:
            return []
        log.info("reply no=%s way=%s kind=%s campaign=%s", number, way, kind, campaign_id)
        if kind == "optout":
            optouts.add(connection, coming.origen, source="reply", reason=coming.texto, at=at)
        return [int(number)]
