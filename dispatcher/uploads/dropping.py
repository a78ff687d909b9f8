"""Deletes expired lists, a few parts at a time.

Rows are deleted by key, and not partitions dropped: each list has a time of its own (a campaign that is made from it
makes it longer, DISPATCHER_LISTS_KEPT=0 ends it), and no lock of a whole table is ever needed. The space is used again
by the lists that come after.
"""

import logging

from sqlalchemy import Engine

from dispatcher.db.statements import query

log = logging.getLogger(__name__)

PARTS_AT_ONCE = 64
"""Parts that go in one round, of however many lists: 64 MiB."""
_LISTS_AT_ONCE = 20


def drop_old(engine: Engine) -> int:
    """Delete one round of expired parts and return how many. Several processes may run it at once."""
    dropped = 0
    for _ in range(_LISTS_AT_ONCE):
        gone = _drop_some(engine, PARTS_AT_ONCE - dropped)
        if gone is None:
            break
        dropped += gone
        if dropped >= PARTS_AT_ONCE:
            break
    return dropped


def _drop_some(engine: Engine, parts: int) -> int | None:
    """Drop up to so many parts of one list, and the list with its last one; None when there is nothing to drop."""
    with engine.begin() as connection:
        upload_id = connection.execute(query("upload_to_drop")).scalar()
        if upload_id is None:
            return None
        gone = connection.execute(query("drop_upload_parts"), {"id": upload_id, "parts": parts}).rowcount
        if gone < parts:
            connection.execute(query("end_upload"), {"id": upload_id})
            log.info("list_dropped upload=%s", upload_id)
    return gone
