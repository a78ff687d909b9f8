"""Planner switches local to a transaction, and running a whole transaction again after a deadlock."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError


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
