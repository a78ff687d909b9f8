"""The lease on a campaign request: one process loads it at a time, and another takes over when that one falls silent.

The lease is in the request's row, so it ends with time and not with a session: a host that vanished keeps nothing. Its
holder renews it while it loads. One that was silent for too long may find that another process has taken over; then its
load must not commit, which `Lease.is_held` in the statement that ends the load sees to.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, and_, func, not_, or_, update

from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.db.statements import query
from dispatcher.errors import DispatcherError
from schemas import tables

log = logging.getLogger(__name__)

LEASE = 30.0
"""Seconds without a renewal after which another process may load the request."""
RENEW_EVERY = 5.0

_request = tables.campaign_request


class LeaseLost(DispatcherError):
    """Another process loads this request by now, so this load was undone."""


def is_free() -> ColumnElement[bool]:
    """The condition on a request's row that nobody loads it now; a moment too far ahead is no lease."""
    now = func.clock_timestamp()
    return or_(
        _request.c.lease_until.is_(None), not_(_request.c.lease_until.between(now, now + timedelta(seconds=LEASE)))
    )


@dataclass(frozen=True, slots=True)
class Lease:
    """A request that this process may load; `row` is what it is loaded from."""

    engine: Engine
    key: str
    holder: str
    row: Row[Any]

    @classmethod
    def take(cls, engine: Engine, key: str) -> Lease | None:
        """Take a request that waits to be loaded, and count the try; None when another process has it or had it."""
        holder = uuid.uuid4().hex
        with engine.begin() as connection:
            row = connection.execute(query("take_request"), {"key": key, "holder": holder, "lease": LEASE}).first()
        return cls(engine, key, holder, row) if row else None

    @property
    def is_held(self) -> ColumnElement[bool]:
        """The condition on the request's row that this process may end its load."""
        ours = and_(_request.c.idempotency_key == self.key, _request.c.holder == self.holder)
        return and_(ours, _request.c.state == "received")

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Keep the lease for the length of a block, from a thread and on a connection of its own."""
        stop = threading.Event()
        thread = threading.Thread(target=self._renew, args=(stop,), name="request-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def give_up(self, *, counts: bool) -> None:
        """Let another try begin at once, as far as the database can be reached; whether this one counts as a try."""
        tries = _request.c.tries if counts else _request.c.tries - 1
        free = update(_request).where(self.is_held).values(holder=None, lease_until=None, tries=tries)
        try:
            with self.engine.begin() as connection:
                connection.execute(free)
        except DRIVER_ERRORS as error:
            log.warning("lease_runs_out key=%s why=%s", self.key, type(error).__name__)

    def _renew(self, stop: threading.Event) -> None:
        held = {"key": self.key, "holder": self.holder, "lease": LEASE}
        while not stop.wait(RENEW_EVERY):
            try:
                with self.engine.begin() as connection:
                    if connection.execute(query("renew_request"), held).first() is None:
                        return
            except DRIVER_ERRORS as error:
                log.warning("lease_not_renewed key=%s why=%s", self.key, type(error).__name__)
