"""`schemas/tables/` and the migrations describe one schema: what Alembic sees, and what only the catalog shows."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import sql
from sqlalchemy import Column, Engine, Integer, MetaData, Table, text

from dispatcher.db import engine as db_engine
from schemas import tables

# The ranges of `message` are made as campaigns come; tests/integration/db/test_ranges.py says that they are like it.
NO_RANGE = "NOT relispartition"
CATALOG = {
    "column": "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, "
    "pg_get_expr(adbin, adrelid) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
    "JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
    f"AND attnum > 0 AND NOT attisdropped AND {NO_RANGE}",
    # The names of checks are free: Postgres numbers those that have none.
    "constraint": "SELECT conrelid::regclass::text, contype, pg_get_constraintdef(pg_constraint.oid), "
    "CASE WHEN contype <> 'c' THEN conname END FROM pg_constraint "
    f"JOIN pg_class c ON c.oid = conrelid WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND {NO_RANGE}",
    "index": "SELECT tablename, indexdef FROM pg_indexes JOIN pg_class ON oid = tablename::regclass "
    f"WHERE schemaname = 'public' AND {NO_RANGE}",
    "storage": "SELECT relname, reloptions::text, pg_get_partkeydef(oid) FROM pg_class "
    f"WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND {NO_RANGE}",
}
ALEMBICS_OWN = "alembic_version"


def catalog(url: str) -> set[tuple[object, ...]]:
    """Everything that a database holds of its tables."""
    with psycopg.connect(url) as connection:
        found = {(kind, *row) for kind, query in CATALOG.items() for row in connection.execute(query)}
    return {row for row in found if row[1] != ALEMBICS_OWN}


def differences(engine: Engine, metadata: MetaData) -> list[object]:
    """What Alembic would write into a migration."""
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, _: not (kind == "table" and str(name).startswith("message_")),
    }
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The migrated database."""
    made = db_engine.connect(database_url)
    yield made
    made.dispose()


@pytest.fixture
def make_described(database_url: str) -> Iterator[Callable[[MetaData], str]]:
    """A database with the tables of some metadata; its address."""
    name = database_url.partition("?")[0].rpartition("/")[2] + "_described"

    def admin(statement: str) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))

    def make(metadata: MetaData) -> str:
        admin("DROP DATABASE IF EXISTS {}")
        admin("CREATE DATABASE {} TEMPLATE template0")
        url = database_url.replace(f"/{name.removesuffix('_described')}?", f"/{name}?")
        made = db_engine.connect(url)
        metadata.create_all(made)
        made.dispose()
        return url

    yield make
    admin("DROP DATABASE IF EXISTS {} WITH (FORCE)")


def test_autogenerate_finds_nothing_to_migrate(engine: Engine) -> None:
    assert differences(engine, tables.metadata) == []


def test_the_tables_as_described_are_those_that_the_migrations_make(
    database_url: str, make_described: Callable[[MetaData], str]
) -> None:
    migrated, described = catalog(database_url), catalog(make_described(tables.metadata))
    assert (migrated - described, described - migrated) == (set(), set())
    assert {row[0] for row in migrated} == set(CATALOG)


# What the two tests above would say, when one of them looked away.
UNSEEN = [
    ("a column", "ALTER TABLE campaign ADD COLUMN note text"),
    ("a type", "ALTER TABLE chunk ALTER COLUMN messages TYPE bigint"),
    ("a default", "ALTER TABLE campaign ALTER COLUMN priority SET DEFAULT 'low'"),
    ("a check", "ALTER TABLE chunk DROP CONSTRAINT chunk_accepted"),
    ("a partial index", "DROP INDEX chunk_to_claim"),
    (
        "an index's condition",
        "DROP INDEX chunk_in_progress; CREATE INDEX chunk_in_progress ON chunk (campaign_id, root_no)",
    ),
    ("a fillfactor", "ALTER TABLE chunk SET (fillfactor = 90)"),
]


def test_each_kind_of_difference_is_seen(
    database_url: str, engine: Engine, make_described: Callable[[MetaData], str]
) -> None:
    described = catalog(make_described(tables.metadata))
    for what, statement in UNSEEN:
        with engine.connect() as connection:
            connection.execute(text(statement))
            connection.commit()
        assert catalog(database_url) != described, what
        described = catalog(database_url)
    found = str(differences(engine, tables.metadata))
    for words in ("remove_column", "modify_type", "modify_default", "chunk_to_claim"):
        assert words in found


def test_a_table_without_a_migration_is_seen(engine: Engine) -> None:
    metadata = MetaData()
    for table in tables.metadata.tables.values():
        table.to_metadata(metadata)
    Table("forgotten", metadata, Column("id", Integer, primary_key=True))
    assert [difference[0] for difference in differences(engine, metadata)] == ["add_table"]  # type: ignore[index]
