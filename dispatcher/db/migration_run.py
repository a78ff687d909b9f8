"""Running migrations: one after the other under the lease, each waits only briefly for its locks, and is tried again.

Whatever waits for a strong lock on a table holds up everybody who comes after it, claims too. So a migration waits
`LOCK_SECONDS` for each lock, then lets everybody through and tries again.
"""

import logging
import time
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, event, update

import schemas
from dispatcher.db import migrations
from dispatcher.db.engine import is_pooled
from dispatcher.db.errors import DRIVER_ERRORS, sqlstate
from dispatcher.db.migration_lease import MigrationLease
from dispatcher.db.migrations import Revision
from dispatcher.errors import DispatcherError
from dispatcher.i18n.words import worded
from schemas.tables import migration_state

log = logging.getLogger(__name__)

LOCK_SECONDS = 2
"""How long a claim may queue behind a migration; 3 s are the limit."""

TRIES = 60
_PAUSE_SECONDS = (1, 2, 5)
"""After the first, the second and each further try that failed: about five minutes in all."""

_NO_LOCK = ("55P03", "40P01")  # not in time, or chosen as a deadlock's victim

# Without a transaction a migration builds an index CONCURRENTLY: it waits for old transactions and blocks nobody.
_IN_TRANSACTION = f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; SET LOCAL statement_timeout = 0"
_WITHOUT = "SET lock_timeout = '10min'; SET statement_timeout = 0"
# So that the server ends a statement whose client was killed, and its locks with it.
_WATCHED = "client_connection_check_interval = '2s'"


def upgrade(engine: Engine, phase: Literal["pre", "all"]) -> tuple[str | None, str | None]:
    """See `migrations.upgrade`."""
    with engine.connect() as connection:
        before = migrations.current_revision(connection)
        known = before is not None and before <= migrations.head_revision()
        if not migrations.pending(before, phase) and (not known or migrations.is_recorded(connection, str(before))):
            return before, before
    with MigrationLease(engine) as lease:
        with engine.connect() as connection:
            before = migrations.current_revision(connection)
        for revision in migrations.pending(before, phase):
            _apply_in_tries(engine, lease, revision)
        with engine.begin() as connection:
            after = migrations.current_revision(connection)
            if after is not None:
                record(connection, after)
    return before, after


def record(connection: Connection, revision: str) -> None:
    """Write down what a version that does not know this revision must know: the newest contraction up to it."""
    contracting = [known.number for known in migrations.revisions() if known.phase == "post"]
    connection.execute(
        update(migration_state).values(
            revision=revision, contracted=max((number for number in contracting if number <= revision), default=None)
        )
    )


def _apply_in_tries(engine: Engine, lease: MigrationLease, revision: Revision) -> None:
    for attempt in range(TRIES):
        try:
            _apply(engine, lease, revision)
        except DRIVER_ERRORS as error:
            if sqlstate(error) not in _NO_LOCK:
                raise
            log.warning("migration_waits_for_lock revision=%s attempt=%s", revision.number, attempt + 1)
            time.sleep(_PAUSE_SECONDS[min(attempt, len(_PAUSE_SECONDS) - 1)])
        else:
            return
    raise DispatcherError(
        worded(
            "Migration {number} did not get a lock that it needs, in {TRIES} tries.",
            number=revision.number,
            TRIES=TRIES,
        ),
        hint="A long transaction holds the table (pg_stat_activity shows it). Run `dispatcher db upgrade` after it.",
    )


def _apply(engine: Engine, lease: MigrationLease, revision: Revision) -> None:
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(Path(schemas.__file__).parent / "migrations"))
    config.set_main_option("version_locations", "\n".join(map(str, migrations.FOLDERS)))
    with engine.connect() as connection:
        event.listen(connection, "begin", _begin)

        def applied(**_: Any) -> None:
            """In the migration's own transaction: it commits with its record, under the lease, or not at all."""
            lease.assert_held(connection)
            record(connection, revision.number)

        config.attributes.update(connection=connection, applied=applied)
        try:
            command.upgrade(config, revision.number)
        finally:
            connection.invalidate()  # its settings must not come back to the pool


def _begin(connection: Connection) -> None:
    raw: Any = connection.connection.driver_connection
    if not raw.autocommit:
        connection.exec_driver_sql(f"{_IN_TRANSACTION}; SET LOCAL {_WATCHED}")
    elif not is_pooled(connection):  # through a pooler no setting outlives its statement: the server's own hold
        connection.exec_driver_sql(f"{_WITHOUT}; SET {_WATCHED}")
