"""The lease on running migrations: one process at a time, and another one within half a minute when that one dies.

A row instead of a session's lock: a session outlives a host that vanished by as long as the network takes to notice.
"""

import logging
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, func, select, update

from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.db.statements import query
from dispatcher.errors import DispatcherError
from schemas.tables import migration_state

log = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
_RENEW_SECONDS = 5.0
_LOOK_SECONDS = 0.5
_CREATION_LOCK = 0x5D15


class LeaseLost(DispatcherError):
    """Another process took the migrations over, since this one did not renew its lease in time."""


class MigrationLease:
    """The right to run migrations, for the length of a `with` block, which waits until it gets it."""

    def __init__(self, engine: Engine) -> None:
        """Name the holder; nothing is taken."""
        self.holder = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex[:8]}"
        self._engine = engine
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="migration-lease", daemon=True)

    def assert_held(self, connection: Connection) -> None:
        """Make sure that the caller's transaction can only commit while this lease is held.

        Raises:
            LeaseLost: it does not.
        """
        if not connection.execute(query("renew_migration_lease"), self._parameters).rowcount:
            raise LeaseLost(hint="Run `dispatcher db upgrade` again.")

    def __enter__(self) -> Self:
        with self._engine.begin() as connection:
            # CREATE TABLE IF NOT EXISTS fails when two do it at once.
            connection.execute(select(func.pg_advisory_xact_lock(_CREATION_LOCK)))
            migration_state.create(connection, checkfirst=True)
        told = None
        while not self._take():
            with self._engine.connect() as connection:
                other = connection.execute(select(migration_state.c.holder)).scalar()
            if other and other != told:
                log.warning("migration_waits holder=%s", other)
                told = other
            time.sleep(_LOOK_SECONDS)
        self._renewing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._renewing.join()
        # When that fails, the lease ends by itself.
        with suppress(*DRIVER_ERRORS), self._engine.begin() as connection:
            connection.execute(
                update(migration_state)
                .where(migration_state.c.holder == self.holder)
                .values(holder=None, lease_until=None)
            )

    @property
    def _parameters(self) -> dict[str, object]:
        return {"holder": self.holder, "seconds": LEASE_SECONDS}

    def _take(self) -> bool:
        with self._engine.begin() as connection:
            return connection.execute(query("take_migration_lease"), self._parameters).first() is not None

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_SECONDS):
            try:
                with self._engine.begin() as connection:
                    connection.execute(query("renew_migration_lease"), self._parameters)
            except DRIVER_ERRORS as error:
                log.warning("migration_lease_not_renewed why=%s", type(error).__name__)
