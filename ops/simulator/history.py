"""What the ledger's file keeps of the lines taken, and the way back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ops.simulator.dealing import NEVER
from ops.simulator.ledger import Batch, Post


def taken(post: Post, batches: list[Batch]) -> dict[str, Any]:
    """The event that says which lines a POST brought, and when they are due."""
    bulk = post.transport == "bulk"
    return {
        "event": "taken",
        "post": post.number,
        "offered": post.offered,
        "in_window": post.in_window,
        "test": post.test,
        "extras": post.extras,
        "ignored": [[_text(line.raw), line.reason] for line in post.ignored],
        "batches": [
            {
                "ids": _text(batch.packed_ids),
                # A line of a bloque has no line end in it, a unit message may.
                "rests": _text(batch.packed_rests) if bulk else [_text(rest) for rest in batch.rests],
                "due": None if math.isinf(batch.due) else batch.due,
                "plain": batch.plain,
                "copies": batch.copies,
                "paid": batch.paid,
            }
            for batch in batches
        ],
    }


def batches(post: Post, event: dict[str, Any]) -> Iterator[Batch]:
    """The batches that such an event tells of."""
    for kept in event["batches"]:
        batch = Batch.of(
            post,
            _unpack(kept["ids"]),
            _unpack(kept["rests"]),
            due=NEVER if kept["due"] is None else kept["due"],
            plain=kept["plain"],
            copies=kept["copies"],
        )
        batch.paid = kept.get("paid", 0)
        yield batch


def _text(raw: bytes) -> str:
    return raw.decode("utf-8")


def _unpack(column: str | list[str]) -> list[bytes]:
    if isinstance(column, list):
        return [value.encode("utf-8") for value in column]
    return column.encode("utf-8").split(b"\n")
