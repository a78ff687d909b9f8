"""Replies as people read them: the list, and one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import UsageError


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it is kept; `id` is the ID SMS MASIVOS, None while a PUSH has not met its pulled reply."""

    id: int | None
    origen: str
    texto: str
    received_at: datetime
    idinterno: str | None
    campaign_id: int | None
    seq: int | None
    kind: str
    source: str
    provisional: bool

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON; `received_at` in provider time."""
        local = self.received_at.astimezone(PROVIDER_ZONE).replace(microsecond=0)
        return {name: getattr(self, name) for name in self.__slots__} | {"received_at": local.isoformat()}


def listing(
    connection: Connection,
    limit: int,
    *,
    kind: str | None = None,
    campaign_id: int | None = None,
    origen: str | None = None,
    rows: Sequence[int] | None = None,
) -> list[Reply]:
    """Replies, the newest first; `rows` are row numbers as `pull` returns them."""
    found = connection.execute(
        text(
            "SELECT * FROM inbox WHERE (CAST(:kind AS text) IS NULL OR kind = :kind) "
            "AND (CAST(:campaign AS bigint) IS NULL OR campaign_id = :campaign) "
            "AND (CAST(:origen AS text) IS NULL OR origen = :origen) "
            "AND (CAST(:rows AS bigint[]) IS NULL OR reply_no = ANY(CAST(:rows AS bigint[]))) "
            "ORDER BY received_at DESC, id DESC NULLS FIRST, reply_no DESC LIMIT :limit"
        ),
        {"kind": kind, "campaign": campaign_id, "origen": origen, "rows": rows, "limit": limit},
    ).all()
    return [Reply(**{name: getattr(row, name) for name in Reply.__slots__}) for row in found]


def find(connection: Connection, number: int) -> Reply:
    """One reply by its ID SMS MASIVOS.

    Raises:
        UsageError: there is none.
    """
    row = connection.execute(text("SELECT * FROM inbox WHERE id = :id"), {"id": number}).first()
    if row is None:
        raise UsageError(f"There is no reply {number}.", hint="`dispatcher inbox list` shows them.")
    return Reply(**{name: getattr(row, name) for name in Reply.__slots__})
