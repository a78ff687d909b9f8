"""Connections to Postgres: how they are made, what holds in each session, and when one is thrown away.

A host that vanishes silently is noticed within half a minute, on both sides, and no statement of normal work runs
longer than a minute. What takes longer says so (`transactions.take_time`).
"""

import re
import select
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from dispatcher.db.errors import without_values
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded

_SETTINGS = {
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "30000",
    "lock_timeout": "20000",
    "statement_timeout": "60000",
    "jit": "off",
}
"""What holds in every transaction; times in milliseconds."""

_SERVER_KEEPALIVES = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""How the server notices that our host is gone, whose locks would otherwise stay. It ignores them on a Unix socket."""

_CLIENT: dict[str, str | int] = {
    "application_name": "dispatcher",
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds that sent data may stay without an acknowledgement
}
"""How we notice that the server's host is gone, for which the driver would wait 16 minutes. The URL overrules them."""

_MARK = "dispatcher.direct"
"""A setting that only we make, when the session starts: where it is missing, there is a pooler in between."""

_FRESH_SECONDS = 1.0


def connect(url: str, *, pooled: bool | None = None) -> Engine:
    """An engine with a small pool; connections are checked before use, since servers restart.

    Args:
        url: as libpq reads it, with several hosts and `target_session_attrs` where there is a standby.
        pooled: whether a pooler in transaction mode (PgBouncer) is in between; None = found out when first connected.
    """
    parameters = conninfo(url)
    # The URL names the database for those who ask the engine; what connects are the parameters.
    engine = create_engine(
        URL.create("postgresql+psycopg", database=parameters.get("dbname")),
        pool_size=3,
        max_overflow=5,
        hide_parameters=True,
        connect_args=parameters,
    )
    sessions = _Sessions(pooled)
    event.listen(engine, "do_connect", sessions.connect)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "checkin", _note_checkin)
    event.listen(engine, "checkout", _check_alive)
    return engine


def conninfo(url: str) -> dict[str, Any]:
    """The parameters of a `postgresql://…` or `postgresql+psycopg://…` URL, with ours where it has none.

    Raises:
        UsageError: it is no URL that libpq can read.
    """
    try:
        given = conninfo_to_dict(_PASSWORD.sub(_escaped, _SCHEME.sub("postgresql://", url)))
    except psycopg.ProgrammingError as error:
        words = re.sub('".*"', '"…"', str(error).strip())  # it may quote the password
        raise UsageError(
            worded("DISPATCHER_DATABASE_URL cannot be read: {words}.", words=words),
            hint="Write it as postgresql://user:password@host:5432/database; several hosts are separated by commas.",
        ) from None
    return {**_CLIENT, **given}


_SCHEME = re.compile(r"^postgres(ql)?(\+psycopg)?://")
# The user, and the password; a port is none.
_PASSWORD = re.compile(r"(?<=^postgresql://)([^:/@?]*):(?!\d+[/?,])([^@]*)(?=@)")


def _escaped(found: re.Match[str]) -> str:
    # libpq would take a `/`, `?` or `#` of the password for its end.
    return f"{found[1]}:{quote(unquote(found[2]), safe='')}"


def is_pooled(connection: Connection) -> bool:
    """Whether statements of one session may run in several of the server's: only a transaction holds them together."""
    raw: Any = connection.connection.driver_connection
    return raw.prepare_threshold is None


class _Discreet(psycopg.Connection[Any]):
    """A connection whose errors, wherever they are logged, do not quote the rows that they are about."""

    def wait(self, *arguments: Any, **options: Any) -> Any:
        """Everything that is asked of the server comes through here."""
        try:
            return super().wait(*arguments, **options)
        except psycopg.Error as error:
            if error.sqlstate is not None:
                error.args = (without_values(error),)
            raise


@dataclass
class _Sessions:
    """Makes the sessions of one engine, direct or through a pooler, and finds out which it is."""

    pooled: bool | None
    _options: str = field(init=False)

    def __post_init__(self) -> None:
        made = {**_SETTINGS, **_SERVER_KEEPALIVES, _MARK: "yes"}
        self._options = " ".join(f"-c {name}={value}" for name, value in made.items())

    def connect(
        self, dialect: Dialect, record: ConnectionPoolEntry, arguments: list[Any], parameters: dict[str, Any]
    ) -> Any:
        """SQLAlchemy's `do_connect`."""
        if self.pooled is None:
            return self._first(parameters)
        return self._through_pooler(parameters) if self.pooled else self._directly(parameters)

    def _directly(self, parameters: dict[str, Any]) -> _Discreet:
        options = f"{parameters.get('options') or ''} {self._options}".strip()
        return _Discreet.connect(**{**parameters, "options": options})

    def _through_pooler(self, parameters: dict[str, Any]) -> _Discreet:
        # No options, which a pooler refuses or drops, and no prepared statements, which the next session would not
        # find: see `_begin` for what holds instead.
        return _Discreet.connect(**parameters, prepare_threshold=None)

    def _first(self, parameters: dict[str, Any]) -> _Discreet:
        try:
            connection = self._directly(parameters)
        except psycopg.OperationalError as error:
            if "unsupported startup parameter" not in str(error):
                raise
        else:
            if _is_direct(connection):
                self.pooled = False
                return connection
            connection.close()
        self.pooled = True
        return self._through_pooler(parameters)


def _is_direct(connection: Any) -> bool:
    """Whether the server itself answers: it has our settings, and is the process that said hello."""
    ((marked, pid),) = connection.execute(
        f"SELECT current_setting('{_MARK}', true), pg_backend_pid()", prepare=False
    ).fetchall()
    connection.rollback()
    return bool(marked == "yes" and pid == connection.info.backend_pid)


_LOCALLY = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in _SETTINGS.items())


def _begin(connection: Connection) -> None:
    """Through a pooler a session has no settings of its own, so each transaction makes them."""
    raw: Any = connection.connection.driver_connection
    if raw.prepare_threshold is None and not raw.autocommit:
        connection.exec_driver_sql(_LOCALLY)


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
