"""Connections to Postgres, the migrations, and the named statements of `schemas/queries.sql`."""

import select
import time
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

_SESSION = (
    "-c timezone=UTC -c idle_in_transaction_session_timeout=30000 -c lock_timeout=20000 "
    "-c jit=off -c application_name=dispatcher"
)
_FRESH_SECONDS = 1.0


def connect(url: str) -> Engine:
    """An engine with a small pool; connections are checked before use, since servers restart."""
    engine = create_engine(url, pool_size=3, max_overflow=5, connect_args={"options": _SESSION, "connect_timeout": 10})
    event.listen(engine, "checkin", _note_checkin)
    event.listen(engine, "checkout", _check_alive)
    return engine


def _note_checkin(connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()


def _check_alive(connection: Any, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
    """Ask the server whether it still knows a connection, unless it was used just now and nothing came since.

    A server that stops says so or closes, so there is something to read then. The pool's own ping asks every time,
    which costs a claim more than most of its statements.
    """
    idle_since = record.info.get("idle_since")
    if idle_since is None or (time.monotonic() - idle_since < _FRESH_SECONDS and not _readable(connection)):
        return
    try:
        connection.execute("SELECT 1", prepare=False)
        connection.rollback()
    except psycopg.Error as error:
        # The pool throws it away and makes another.
        raise DisconnectionError from error


def _readable(connection: Any) -> bool:
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
