"""Is a database error temporary, or is the value at fault?"""

import psycopg
from sqlalchemy.exc import SQLAlchemyError

ERRORS = (SQLAlchemyError, psycopg.Error)
"""What the database's side of a program raises: COPY goes past SQLAlchemy."""

_LASTING = ("22", "23", "54")  # SQLSTATE classes: data exception, integrity violation, program limit exceeded


def lasts(error: SQLAlchemyError | psycopg.Error) -> bool:
    """Whether the database is there and will never take this: a value that it cannot hold, or that breaks a rule.

    Every other error, from a refused connection to a full disk, may be over when somebody tries again.
    """
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", None) or ""
    return isinstance(cause, (psycopg.DataError, psycopg.IntegrityError)) or state.startswith(_LASTING)


def storable(words: str) -> str:
    """A text that Postgres can hold: without NUL, and with a question mark for half a character."""
    return words.replace("\x00", " ").encode("utf-8", "replace").decode("utf-8")
