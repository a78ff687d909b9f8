"""A database for the length of a command: an embedded server that does not run is started, and stopped after."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from dispatcher import config
from dispatcher.cli import ops_loader
from dispatcher.config import Settings
from dispatcher.db import migrations
from dispatcher.db.engine import connect
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.runtime import Runtime


@contextmanager
def session(*, may_create: bool = False) -> Iterator[Runtime]:
    """The settings with a database to work on; an embedded one is started if it does not run, and stopped after.

    `may_create` is for commands that bring something in: the others would look into an empty database of their own.

    Raises:
        UsageError: a bad setting, a home without a database, or a database without this version's schema.
    """
    settings = config.load()
    if not may_create:
        require_database(settings)
    with ops_loader.embedded(settings, broker=False):
        runtime = Runtime(settings)
        try:
            migrations.require_schema(runtime.engine)
            yield runtime
        finally:
            runtime.close()


def require_database(settings: Settings) -> None:
    """Refuse to go on where no database is configured and none was made, as after a change of folder.

    Raises:
        UsageError: it says which home was looked in, and which `.env` was read.
    """
    if settings.database_url is None and not settings.has_embedded_database:
        dotenv = config.dotenv_path()
        read = worded("read from {dotenv}", dotenv=dotenv) if dotenv else translated("with no .env read")
        raise UsageError(
            worded(
                "There is no database: DISPATCHER_DATABASE_URL is not set, "
                "and {home} has no embedded one (settings {read}).",
                home=settings.home,
                read=read,
            ),
            hint="Set DISPATCHER_DATABASE_URL or DISPATCHER_HOME as they were when the campaigns were created, or run "
            "this in that folder. `dispatcher up`, `campaign create` and `db upgrade` make a new database.",
        )


@contextmanager
def database_connection(settings: Settings) -> Iterator[Connection]:
    """A connection for one look; an embedded server that does not run is started for it, and stopped after."""
    with ops_loader.embedded(settings, broker=False):
        engine = connect(settings.sqlalchemy_url, pooled=settings.database_pooled)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()
