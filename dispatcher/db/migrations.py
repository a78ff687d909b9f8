"""Migrations: where the schema stands, and bringing it to what this code needs."""

import re
from importlib.resources import files
from pathlib import Path

from sqlalchemy import Connection, Engine, text

import schemas
from dispatcher.errors import UsageError

_MIGRATION_LOCK = 0x5D15


def head_revision() -> str:
    """The newest migration that this code knows: the greatest number that a file of the migrations begins with."""
    names = (path.name for path in files(schemas).joinpath("migrations", "versions").iterdir())
    return max(name.partition("_")[0] for name in names if re.match(r"\d{4}_\w+\.py$", name))


def current_revision(connection: Connection) -> str | None:
    """The migration that the database stands at; None when it has no schema yet."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def upgrade(engine: Engine) -> tuple[str | None, str | None]:
    """Bring the schema to this code's newest migration; safe to run twice, or from two places at once.

    Returns:
        The revision before and after.
    """
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
        try:
            before = current_revision(connection)
            connection.commit()
            if before != head_revision():
                _run_alembic(connection)
            after = current_revision(connection)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()
    return before, after


def _run_alembic(connection: Connection) -> None:
    # Imported here: it takes longer than most commands, which find the schema where it should be.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(schemas.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def require_schema(engine: Engine) -> None:
    """Refuse to work on a database without this code's schema.

    Raises:
        UsageError: migrations are missing, or the database is newer than this code.
    """
    with engine.connect() as connection:
        found, wanted = current_revision(connection), head_revision()
    if found != wanted:
        raise UsageError(
            f"The database is at migration {found or 'none'}, this version needs {wanted}.",
            hint="Run `dispatcher db upgrade`." if found is None or found < str(wanted) else "Upgrade the dispatcher.",
        )
