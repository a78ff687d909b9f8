"""Tests get one database after another: nothing of one test is there for the next."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ops.embedded import Addresses
from tests.databases import Databases

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"


@pytest.fixture
def databases(servers: Addresses) -> Iterator[Databases]:
    """Some of the test's own, beside those of the run."""
    assert servers.database_url
    made = Databases(servers.database_url)
    yield made
    made.close()


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True)


def look(url: str) -> tuple[int, dict[str, list[Any]]]:
    """Which database it is, and what its tables hold."""
    with connect(url) as connection:
        (oid,) = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone() or (0,)
        tables = [name for (name,) in connection.execute(TABLES)]
        return oid, {name: connection.execute(f"TABLE {name}").fetchall() for name in tables}


def test_what_a_test_wrote_and_made_is_gone_from_the_database_that_the_next_one_gets(databases: Databases) -> None:
    url = databases.take("reuse_1")
    new = look(url)
    forgotten = connect(url)  # as a process that a test forgot would have it
    forgotten.execute("INSERT INTO optout (destino, source) VALUES ('1144445555', 'operator')")
    forgotten.execute("CREATE TABLE of_the_test (id integer)")
    forgotten.execute("CREATE FUNCTION of_the_test() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    forgotten.execute("CREATE TRIGGER of_the_test BEFORE INSERT ON optout FOR EACH ROW EXECUTE FUNCTION of_the_test()")
    drawn = forgotten.execute("SELECT nextval(pg_get_serial_sequence('campaign', 'id'))").fetchone()
    databases.give_back("reuse_1")
    url = databases.take("reuse_2")
    assert look(url) == new
    with connect(url) as connection:
        assert connection.execute("SELECT nextval(pg_get_serial_sequence('campaign', 'id'))").fetchone() == drawn
    with pytest.raises(psycopg.OperationalError):
        forgotten.execute("SELECT 1")
    databases.give_back("reuse_2")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE campaign ADD COLUMN of_the_test integer",
        "ALTER TABLE message DROP CONSTRAINT message_pkey",
        "ALTER TABLE chunk DISABLE TRIGGER ALL",
        "ALTER DATABASE reuse_1 SET jit = on",
        "ANALYZE installation",
        "CREATE VIEW of_the_test AS SELECT 1 AS one",
        "DROP VIEW inbox",
    ],
)
def test_a_database_whose_schema_a_test_changed_is_not_handed_on(change: str, databases: Databases) -> None:
    url = databases.take("reuse_1")
    new = look(url)
    with connect(url) as connection:
        connection.execute(change)
    databases.give_back("reuse_1")
    found = look(databases.take("reuse_2"))
    assert found[1] == new[1]
    assert found[0] != new[0]
    databases.give_back("reuse_2")
