"""How much the database was asked, from its own statistics: nothing is added to what is measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from ops.bench.stack import Stack

_FLUSH = 1.2  # idle sessions hand in their figures after a second at most


@dataclass(frozen=True)
class Counters:
    """Transactions that ended and bytes of write-ahead log."""

    transactions: int
    wal_bytes: int

    def __sub__(self, before: Counters) -> Counters:
        return Counters(self.transactions - before.transactions, self.wal_bytes - before.wal_bytes)


def counters(stack: Stack) -> Counters:
    """What the database has counted so far."""
    time.sleep(_FLUSH)
    with stack.runtime.engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT xact_commit + xact_rollback AS transactions, "
                "pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal "
                "FROM pg_stat_database WHERE datname = current_database()"
            )
        ).one()
    return Counters(int(row.transactions), int(row.wal))
