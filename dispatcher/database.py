"""Connections to Postgres, the migrations, and the named statements of `schemas/queries.sql`."""

import re
import select
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, TextClause, create_engine, event, text
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

import schemas
from dispatcher.errors import UsageError

_SESSION = (
    "-c timezone=UTC -c idle_in_transaction_session_timeout=30000 -c lock_timeout=20000 "
    "-c jit=off -c application_name=dispatcher"
)
_FRESH_SECONDS = 1.0
_MIGRATION_LOCK = 0x5D15
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_VARIANT = re.compile(r"-- in (\w+) alone\n", re.MULTILINE)
_WHOLE_LINE = r"^.*"


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


@lru_cache(maxsize=1)
def queries() -> dict[str, TextClause]:
    """The statements of `schemas/queries.sql` by name."""
    source = files(schemas).joinpath("queries.sql").read_text(encoding="utf-8")
    parts = _NAME.split(source)
    bodies = dict(zip(parts[1::2], parts[2::2], strict=True))
    for name, body in list(bodies.items()):
        # One text of two statements, so that they cannot come to differ in anything else.
        if variants := set(_VARIANT.findall(body)):
            bodies[name] = re.sub(_WHOLE_LINE + _VARIANT.pattern, "", body, flags=re.MULTILINE)
            bodies[variants.pop()] = body
    return {name: text(body.strip().rstrip(";")) for name, body in bodies.items()}


def query(name: str) -> TextClause:
    """One named statement."""
    return queries()[name]


def head_revision() -> str:
    """The newest migration that this code knows: the greatest number that a file of the migrations begins with."""
    names = (path.name for path in files(schemas).joinpath("migrations", "versions").iterdir())
    return max(name.partition("_")[0] for name in names if re.match(r"\d{4}_\w+\.py$", name))


def current_revision(connection: Connection) -> str | None:
    """The migration that the database stands at; None when it has no schema yet."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def upgrade(engine: Engine) -> tuple[str | None, str | None]:
    """Bring the schema to this code's newest migration; safe to run twice, or from two places at once.

    Returns:
        The revision before and after.
    """
    # Imported here: it takes longer than most commands, which only ask where the schema stands.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(schemas.__file__).parent / "migrations"))
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
        try:
            before = current_revision(connection)
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            after = current_revision(connection)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()
    return before, after


def require_schema(engine: Engine) -> None:
    """Refuse to work on a database without this code's schema.

    Raises:
        UsageError: migrations are missing, or the database is newer than this code.
    """
    with engine.connect() as connection:
        found, wanted = current_revision(connection), head_revision()
    if found != wanted:
        raise UsageError(
            f"The database is at migration {found or 'none'}, this version needs {wanted}.",
            hint="Run `dispatcher db upgrade`." if found is None or found < str(wanted) else "Upgrade the dispatcher.",
        )


def pin_key_lookups(connection: Connection) -> None:
    """Keep the planner of this transaction to key look-ups: a hash join over all messages costs five times more."""
    connection.exec_driver_sql(
        "SET LOCAL enable_nestloop = on; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; "
        "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"
    )


def pin_range_scan(connection: Connection) -> None:
    """Keep the planner of this transaction to reading key ranges whole: half the cost of looking up most of one."""
    connection.exec_driver_sql(
        "SET LOCAL enable_hashjoin = on; SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; "
        "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"
    )


T = TypeVar("T")


def retry_deadlocks(transaction: Callable[[], T], tries: int = 4) -> T:
    """Run a whole transaction again when Postgres chose it as a deadlock's victim (40P01)."""
    for attempt in range(1, tries + 1):
        try:
            return transaction()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "40P01" or attempt == tries:
                raise
    raise AssertionError("unreachable")
