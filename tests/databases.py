"""A database of its own for each test, without making one for each.

A clone of the template is four hundred files, which takes longer than most tests do. So the tables that a test wrote are
emptied, what it made is dropped, and the next test gets the same database under another name. Whatever cannot be undone
that simply, a changed schema or new statistics, shows in a comparison with the template's catalogs: then the next test
gets a new clone.
"""

from typing import Any

import psycopg
from psycopg import sql

TEMPLATE = "dispatcher"

_END_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

_NEWEST_OBJECT = (
    "SELECT max(greatest) FROM (SELECT max(oid) AS greatest FROM pg_class UNION SELECT max(oid) FROM pg_proc) AS o"
)

# A table that was never written has no page. Those that were are truncated and not deleted from: the next test finds
# pages and statistics as in a new database.
_FORGET = """
SET lock_timeout = '10s';
DO $$
DECLARE
    newest CONSTANT oid := {newest};
    made record;
    written text;
BEGIN
    FOR made IN SELECT oid::regprocedure AS name FROM pg_proc
        WHERE oid > newest AND pronamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', made.name);
    END LOOP;
    FOR made IN SELECT oid::regclass AS name FROM pg_class
        WHERE oid > newest AND relnamespace = 'public'::regnamespace AND relkind = 'r'
    LOOP
        EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', made.name);
    END LOOP;
    SELECT string_agg(oid::regclass::text, ', ') INTO written FROM pg_class
    WHERE oid <= newest AND relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0;
    IF written IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || written || ' CASCADE';
    END IF;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
    PERFORM pg_stat_reset();
END $$
"""

_CATALOGS = """
SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM (
    SELECT concat_ws(':', 'class', oid, relname, relkind, relacl, reloptions) AS line FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind <> 'S'
    UNION ALL SELECT concat_ws(':', 'rows', oid, reltuples) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    UNION ALL SELECT concat_ws(':', 'sequence', sequencename, last_value) FROM pg_sequences
    UNION ALL SELECT concat_ws(':', 'column', attrelid, attnum, xmin) FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT concat_ws(':', 'default', oid, xmin) FROM pg_attrdef
    UNION ALL SELECT concat_ws(':', 'index', indexrelid, indisvalid) FROM pg_index WHERE indexrelid >= 16384
    UNION ALL SELECT concat_ws(':', 'constraint', oid, xmin) FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT concat_ws(':', 'trigger', oid, xmin) FROM pg_trigger
    UNION ALL SELECT concat_ws(':', 'rule', oid, xmin) FROM pg_rewrite WHERE oid >= 16384
    UNION ALL SELECT concat_ws(':', 'function', oid, xmin) FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT concat_ws(':', 'extension', extname) FROM pg_extension
    UNION ALL SELECT concat_ws(':', 'statistics', starelid, staattnum) FROM pg_statistic WHERE starelid >= 16384
    UNION ALL SELECT concat_ws(':', 'setting', setconfig) FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS lines
"""


class Databases:
    """The databases of one server, for one test at a time."""

    def __init__(self, template_url: str) -> None:
        """Name the migrated template; nothing is made."""
        self._template_url = template_url
        self._spare: str | None = None
        self._newest = 0
        self._catalogs: str | None = None
        self._rows: dict[str, bytes] = {}

    def take(self, name: str) -> str:
        """A database as the template is, under this name. Returns its URL."""
        if self._spare is not None:
            self._administer("ALTER DATABASE {} RENAME TO {}", self._spare, name)
            self._spare = None
        else:
            self._administer("CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE)
            if self._catalogs is None:
                self._remember(name)
        return self._url(name)

    def give_back(self, name: str) -> None:
        """Keep it for the next test if it can be made as new, else drop it."""
        if self._spare is None and self._made_as_new(name):
            self._spare = name
        else:
            self._administer("DROP DATABASE {} WITH (FORCE)", name)

    def close(self) -> None:
        """Drop what is left."""
        if self._spare is not None:
            self._administer("DROP DATABASE {} WITH (FORCE)", self._spare)
            self._spare = None

    def _remember(self, name: str) -> None:
        """What a new database looks like."""
        with psycopg.connect(self._url(name)) as connection:
            self._newest = _value(connection, _NEWEST_OBJECT)
            self._catalogs = _value(connection, _CATALOGS)
            for (table,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
                "AND pg_relation_size(oid) > 0"
            ):
                with connection.cursor().copy(_copy(table, "TO STDOUT")) as rows:
                    self._rows[table] = b"".join(rows)

    def _made_as_new(self, name: str) -> bool:
        with psycopg.connect(self._url(name)) as connection:
            connection.execute(_END_OTHERS)
            connection.execute(sql.SQL(_FORGET).format(newest=sql.Literal(self._newest)))
            try:
                for table, content in self._rows.items():
                    with connection.cursor().copy(_copy(table, "FROM STDIN")) as rows:
                        rows.write(content)
            except psycopg.errors.UndefinedTable:
                return False  # the test dropped it
            return bool(_value(connection, _CATALOGS) == self._catalogs)

    def _administer(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]

    def _url(self, name: str) -> str:
        return self._template_url.replace(f"/{TEMPLATE}?", f"/{name}?")


def _copy(table: str, way: str) -> sql.Composed:
    return sql.SQL("COPY {} " + way).format(sql.Identifier(table))  # type: ignore[arg-type]


def _value(connection: psycopg.Connection[Any], statement: str) -> Any:
    row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]
