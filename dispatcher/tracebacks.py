"""What may be written down of an error: its kind and where it happened, never the values that it quotes.

Postgres quotes a row that breaks a constraint, libraries quote what they could not read: numbers and texts of people.
Only errors whose words are ours, or can quote nothing but code, keep them.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dispatcher.errors import DispatcherError

if TYPE_CHECKING:
    import psycopg

_QUOTE_NOBODY = (
    *(DispatcherError, AttributeError, ImportError, NameError, NotImplementedError, RecursionError, TypeError),
)
"""The words of ours are written for logs too; Python's name what is in the code, not what it works on."""


def kind(error: BaseException) -> str:
    """Its class, with the module where that is not Python's own."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def words(error: BaseException) -> str:
    """Its kind, and of its words what quotes nobody."""
    said = _said(error)
    return f"{kind(error)}: {said}" if said else kind(error)


def formatted(error: BaseException | None) -> str:
    """The traceback of an error and of those that caused it, the first one first, without a line end at its end."""
    return "".join(_parts(error, set())).removesuffix("\n") if error is not None else "no error"


def _said(error: BaseException) -> str:
    import psycopg  # late: `--help` has no errors of a database, and would wait for it

    driver = getattr(error, "orig", None) or error  # SQLAlchemy's error around it
    if isinstance(driver, psycopg.Error):
        return _of_database(driver)
    if isinstance(error, _QUOTE_NOBODY):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or ""
    return ""


def _of_database(error: psycopg.Error) -> str:
    import psycopg

    diagnosis = error.diag
    found = {
        "sqlstate": error.sqlstate,
        "schema": diagnosis.schema_name,
        "table": diagnosis.table_name,
        "column": diagnosis.column_name,
        "constraint": diagnosis.constraint_name,
    }
    said = " ".join(f"{name}={value}" for name, value in found.items() if value)
    if not said and isinstance(error, psycopg.OperationalError):  # no server has answered: libpq's own words
        return str(error).partition("\n")[0]
    return said


def _parts(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _parts(before, seen)
        yield "\nwhich led to:\n\n"
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
    yield f"{words(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield "\none of them:\n\n"
            yield from _parts(each, seen)
