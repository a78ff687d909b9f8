"""Named statements on the driver itself, for those that run for every chunk.

SQLAlchemy's compilation and result machinery costs more there than the statements. The transaction is still the
connection's: what runs here commits and rolls back with it.
"""

from functools import lru_cache
from typing import Any

from psycopg import Cursor
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Dialect

from dispatcher.database import query


@lru_cache
def _statement(name: str, dialect: Dialect) -> str:
    return str(query(name).compile(dialect=dialect))


def execute(connection: Connection, name: str, parameters: dict[str, Any]) -> Cursor[Any]:
    """Run a statement of `schemas/queries.sql`; rows are named tuples. Raises psycopg's own errors."""
    raw: Any = connection.connection.driver_connection
    cursor: Cursor[Any] = raw.cursor(row_factory=namedtuple_row)
    return cursor.execute(_statement(name, connection.dialect), parameters, prepare=True)


def first(connection: Connection, name: str, parameters: dict[str, Any]) -> Any:
    """The first row of a statement that answers with rows; None when there is none."""
    return execute(connection, name, parameters).fetchone()
