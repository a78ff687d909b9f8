"""The outbox: an event is a row written in the transaction of what it tells of, so none is lost and none is untrue.

With it comes one delivery for each endpoint that wants it. While no endpoint does, nothing is written at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

from dispatcher.db.statements import query
from dispatcher.db.storable import storable_json
from dispatcher.webhooks.event_types import EventType

SEQS_KEPT = 150
"""Messages that one `message.results` names: as many as fit into its body."""


def tell(connection: Connection, kind: EventType, campaign_id: int | None = None, **data: Any) -> None:
    """Tell of one event in the caller's transaction. `data` is JSON, without numbers and texts of people.

    Events of one campaign are delivered in the order of their rows: call it after the row was locked or changed that
    such events have in common, the campaign's own.
    """
    tell_all(connection, kind, [(campaign_id, data)])


def tell_all(connection: Connection, kind: EventType, events: Sequence[tuple[int | None, Mapping[str, Any]]]) -> None:
    """The same for several events of one kind, each with its campaign."""
    if not events:
        return
    about = [campaign_id for campaign_id, _ in events]
    written = [
        storable_json(dict(data) if campaign_id is None else {"campaign_id": campaign_id, **data})
        for campaign_id, data in events
    ]
    connection.execute(query("tell"), {"type": str(kind), "campaigns": about, "data": written})


class Seqs(Protocol):
    """Numbers of messages in ascending order: a list, or a column of a frame."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, at: Any) -> Any:
        """One of them, or a slice."""


def tell_results(connection: Connection, settled: Mapping[int, Seqs]) -> None:
    """Tell of the results of messages (ascending `seq` by campaign) that the caller's transaction settles.

    The body is written at the first attempt: settling a million messages must not wait for it.
    """
    tell_all(
        connection,
        EventType.MESSAGE_RESULTS,
        [
            (
                campaign_id,
                {
                    "count": len(seqs),
                    "first_seq": seqs[0],
                    "last_seq": seqs[-1],
                    "seqs": list(seqs[:SEQS_KEPT]),
                },
            )
            for campaign_id, seqs in settled.items()
            if len(seqs)
        ],
    )
