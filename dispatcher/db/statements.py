"""The named statements of `schemas/queries.sql`, for SQLAlchemy and, where they run for every chunk, for the driver."""

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from psycopg import Cursor
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Dialect, TextClause, text

import schemas

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_VARIANT = re.compile(r"-- in (\w+) alone\n", re.MULTILINE)
_WHOLE_LINE = r"^.*"


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


@lru_cache
def _statement(name: str, dialect: Dialect) -> str:
    return str(query(name).compile(dialect=dialect))


def execute(connection: Connection, name: str, parameters: dict[str, Any]) -> Cursor[Any]:
    """Run a statement of `schemas/queries.sql`; rows are named tuples. Raises psycopg's own errors.

    It is prepared, except on connections through a pooler, whose `prepare_threshold` is None.
    """
    raw: Any = connection.connection.driver_connection
    cursor: Cursor[Any] = raw.cursor(row_factory=namedtuple_row)
    return cursor.execute(_statement(name, connection.dialect), parameters, prepare=True)


def first(connection: Connection, name: str, parameters: dict[str, Any]) -> Any:
    """The first row of a statement that answers with rows; None when there is none."""
    return execute(connection, name, parameters).fetchone()
