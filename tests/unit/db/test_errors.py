"""Drivers' errors, sorted by what they mean for who asked; their words hold no value of a row."""

import pickle

import psycopg
import pytest
from psycopg import errors as raised
from sqlalchemy.exc import DBAPIError, InvalidRequestError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dispatcher.db.errors import (
    DatabaseError,
    DatabaseRefused,
    DatabaseRefusedValue,
    DatabaseUnavailable,
    sqlstate,
    translate,
    translated,
)

KINDS = [
    ("08006", DatabaseUnavailable),
    ("25006", DatabaseUnavailable),
    ("40001", DatabaseUnavailable),
    ("40P01", DatabaseUnavailable),
    ("53100", DatabaseUnavailable),
    ("53200", DatabaseUnavailable),
    ("53300", DatabaseUnavailable),
    ("55P03", DatabaseUnavailable),
    ("57014", DatabaseUnavailable),
    ("57P01", DatabaseUnavailable),
    ("57P02", DatabaseUnavailable),
    ("57P03", DatabaseUnavailable),
    ("58030", DatabaseUnavailable),
    ("22021", DatabaseRefusedValue),
    ("22003", DatabaseRefusedValue),
    ("23505", DatabaseRefused),
    ("42P01", DatabaseRefused),
    ("42501", DatabaseRefused),
]


def wrapped(error: psycopg.Error) -> DBAPIError:
    """The same error as SQLAlchemy raises it."""
    found = DBAPIError.instance("SELECT secret", {"n": "1144445555"}, error, psycopg.Error, hide_parameters=True)
    assert isinstance(found, DBAPIError)
    return found


@pytest.mark.parametrize(("state", "kind"), KINDS)
def test_an_error_of_the_server_is_sorted_by_its_sqlstate_whichever_driver_raised_it(
    state: str, kind: type[DatabaseError]
) -> None:
    error = raised.lookup(state)("something\nDETAIL: of a row")
    for each in (error, wrapped(error)):
        found = translate(each)
        assert type(found) is kind
        assert (found.sqlstate, sqlstate(each)) == (state, state)
        assert str(found) == "The database refused: something"


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection failed: Connection refused\n\tIs the server running?"),
        psycopg.InterfaceError("the connection is closed"),
        raised.ConnectionTimeout("connection timeout expired"),
    ],
)
def test_a_server_that_does_not_answer_is_unavailable(error: psycopg.Error) -> None:
    for each in (error, wrapped(error)):
        found = translate(each)
        assert type(found) is DatabaseUnavailable
        assert str(found).startswith("The database does not answer: ")
        assert "DISPATCHER_DATABASE_URL" in str(found.hint)
        assert "\t" not in str(found)
    assert type(translate(PoolTimeout("QueuePool limit reached"))) is DatabaseUnavailable


def test_a_value_that_no_server_would_take_is_the_callers() -> None:
    assert type(translate(psycopg.DataError("text fields cannot contain NUL"))) is DatabaseRefusedValue
    assert type(translate(psycopg.ProgrammingError("cannot adapt type"))) is DatabaseRefused
    assert type(translate(InvalidRequestError("a mistake of ours"))) is DatabaseRefused


def test_the_value_that_a_server_quotes_is_left_out() -> None:
    error = raised.InvalidTextRepresentation('invalid input syntax for type bigint: "11"4444""')
    assert str(translate(error)) == 'The database refused: invalid input syntax for type bigint: "…"'
    assert '"message"' in str(translate(raised.UndefinedTable('relation "message" does not exist')))


def test_a_block_turns_the_drivers_errors_into_ours_and_leaves_others() -> None:
    with pytest.raises(DatabaseUnavailable), translated():
        raise OperationalError("SELECT 1", {}, psycopg.OperationalError("gone"))
    with pytest.raises(DatabaseRefused), translated():
        raise raised.UndefinedTable("no such table")
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError


def test_an_error_survives_pickling() -> None:
    found = pickle.loads(pickle.dumps(translate(raised.DiskFull("no space"))))
    assert (type(found), found.sqlstate, found.hint) == (DatabaseUnavailable, "53100", "Run `dispatcher doctor`.")
