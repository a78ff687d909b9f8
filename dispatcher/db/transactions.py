"""What holds for one transaction alone: its time, its plans, and running it again after a deadlock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine

from dispatcher.db.engine import is_pooled
from dispatcher.db.errors import DRIVER_ERRORS, sqlstate


def take_time(connection: Connection) -> None:
    """Set no limit to the statements of this transaction, nor to the pauses between them: a load, an export."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")


def speak_provider_time(connection: Connection) -> None:
    """Write the timestamps of this transaction with Argentine time and its offset, whatever the server's zone."""
    connection.exec_driver_sql("SET LOCAL TIME ZONE INTERVAL '-03:00' HOUR TO MINUTE")


@contextmanager
def single_statement(engine: Engine) -> Iterator[Connection]:
    """A connection for one statement, which is a transaction of its own: nothing is left to begin and commit.

    Through a pooler it gets a transaction, since nothing else could carry its timeouts.
    """
    with engine.connect() as connection:
        if is_pooled(connection):
            with connection.begin():
                yield connection
        else:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")


def pin_key_lookups(connection: Connection) -> None:
    """Keep the planner of this transaction to key look-ups: a hash join over all messages costs five times more."""
    connection.exec_driver_sql(
        "SET LOCAL enable_nestloop = on; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; "
        "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"
    )


def pin_ordered_lookups(connection: Connection) -> None:
    """As `pin_key_lookups`, and without a sort: rows come in the order of a key, and the first one comes at once.

    A campaign that was just loaded is in no statistics yet. The planner takes it for a few hundred rows, reads all of
    it once for every chunk, and sorts: half a million messages took 40 s, and the first came at the end.
    """
    pin_key_lookups(connection)
    connection.exec_driver_sql("SET LOCAL enable_sort = off; SET LOCAL enable_material = off")


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
        except DRIVER_ERRORS as error:
            if sqlstate(error) != "40P01" or attempt == tries:
                raise
    raise AssertionError("unreachable")
