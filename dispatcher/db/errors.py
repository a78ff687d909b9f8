"""Translates driver errors into ours. Only this file tells psycopg's and SQLAlchemy's errors apart by kind.

Inside, a driver's error travels as it is: a claim or a settle must know which one it was. It is translated where it
leaves our code, over HTTP or on the command line. COPY and the statements that run for every chunk raise psycopg's own
errors, all else SQLAlchemy's around them, so whoever catches one kind must catch `DRIVER_ERRORS`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError, DisconnectionError, PendingRollbackError, ResourceClosedError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dispatcher.errors import DispatcherError
from dispatcher.i18n.words import worded

DRIVER_ERRORS = (SQLAlchemyError, psycopg.Error)

_RETRY_CLASSES = frozenset(
    {
        "08",  # connection lost
        "53",  # too many connections, disk full, out of memory
        "58",  # the server's own disk or files failed
    }
)
_RETRY_STATES = frozenset(
    {
        "25006",  # read only: a standby, or a primary that was just demoted
        "25P03",  # idle for too long in a transaction
        "25P04",  # a transaction for too long
        "40001",  # serialization failure
        "40P01",  # deadlock
        "55P03",  # a lock was not free in time
        "57014",  # cancelled, as by statement_timeout
        "57P01",  # shutting down
        "57P02",  # crash of another process
        "57P03",  # cannot connect now: starting up, or recovering
        "57P04",  # the database was dropped
        "57P05",  # idle session ended
    }
)
_NO_DRIVERS = (PoolTimeout, DisconnectionError, ResourceClosedError, PendingRollbackError)
"""SQLAlchemy's own errors about a connection that is not there, or not there any more."""
_DATA_CLASS = "22"
_LASTING_CLASSES = (_DATA_CLASS, "23", "54")  # data exception, integrity violation, program limit exceeded
_LOGIN_REFUSED = re.compile(
    r"password authentication failed|no password supplied|(?:database|role) \"[^\"]*\" does not exist"
    r"|no pg_hba\.conf entry|autentificaci.n|no existe (?:la base de datos|el rol|una? l.nea)",
)
"""What a server says in English and Spanish; libpq gives no code for a connection that was refused."""
_CHECK_ADDRESS = "Check DISPATCHER_DATABASE_URL (host, port, user, password) and that the server runs."
ASK_DOCTOR = "Run `dispatcher doctor`."


class DatabaseError(DispatcherError):
    """The database did not do what was asked.

    Attributes:
        sqlstate: the five characters of Postgres that say what was wrong; None when it did not answer.
    """

    def __init__(self, message: str | None = None, *, hint: str | None = None, sqlstate: str | None = None) -> None:
        """Take the words, which hold no parameter's value."""
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


class DatabaseUnavailable(DatabaseError):
    """The database cannot do it just now: the same may succeed later without anybody changing the request."""


class DatabaseRefused(DatabaseError):
    """The database will not do this, however often it is asked."""


class DatabaseRefusedValue(DatabaseRefused):
    """A value that was given cannot be stored, such as a text with a NUL."""


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of a driver's error; None when the server did not give one."""
    state: str | None = getattr(_cause(error), "sqlstate", None)
    return state


def translate(error: Exception) -> DatabaseError:
    """The error of ours that says what a driver's error means for who asked; its words hold no value of a row."""
    cause, state = _cause(error), sqlstate(error)
    if _may_pass(cause, state):
        if state is None:
            found = _last_finding(cause)
            if _LOGIN_REFUSED.search(found):
                return DatabaseRefused(
                    worded("The database refuses to let us in: {found}", found=found), hint=_CHECK_ADDRESS
                )
            words = f"The database does not answer: {found}"
            return DatabaseUnavailable(words, hint=_CHECK_ADDRESS)
        return DatabaseUnavailable(_refusal(cause), hint=ASK_DOCTOR, sqlstate=state)
    of_value = state.startswith(_DATA_CLASS) if state else isinstance(cause, psycopg.DataError)
    kind = DatabaseRefusedValue if of_value else DatabaseRefused
    return kind(_refusal(cause), hint=ASK_DOCTOR, sqlstate=state)


def lasts(error: Exception) -> bool:
    """Whether the database is there and will never take this: a value that it cannot hold, or that breaks a rule.

    Every other error may be over when somebody tries again: a refused connection or a full disk by itself, a missing
    table or right when an operator has seen to it. So what is kept until it is stored waits for all of these.
    """
    cause = _cause(error)
    state = sqlstate(cause) or ""
    return isinstance(cause, (psycopg.DataError, psycopg.IntegrityError)) or state.startswith(_LASTING_CLASSES)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the drivers' errors of a block into ours.

    Raises:
        DatabaseError: instead of any of them.
    """
    try:
        yield
    except DRIVER_ERRORS as error:
        raise translate(error) from error


def _cause(error: BaseException) -> BaseException:
    """psycopg's error, also when SQLAlchemy's is around it."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _may_pass(cause: BaseException, state: str | None) -> bool:
    if state is None:
        return isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError, *_NO_DRIVERS))
    return state[:2] in _RETRY_CLASSES or state in _RETRY_STATES


def without_values(error: psycopg.Error) -> str:
    """The server's words without details and context, which quote rows, and without the bad value that it quotes."""
    first = (error.diag.message_primary or str(error).strip() or type(error).__name__).splitlines()[0][:300]
    return re.sub('".*"', '"…"', first) if (error.sqlstate or "").startswith(_DATA_CLASS) else first


def _refusal(cause: BaseException) -> str:
    words = without_values(cause) if isinstance(cause, psycopg.Error) else str(cause).strip().splitlines()[0][:300]
    return f"The database refused: {words}"


def _last_finding(cause: BaseException) -> str:
    """The last connection error, without the driver's indented hints."""
    lines = [line for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    return next((line for line in reversed(lines) if not line.startswith("\t")), lines[-1].strip())
