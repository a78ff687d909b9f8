"""A database for the length of a command: an embedded server that does not run is started, and stopped after."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from dispatcher import config
from dispatcher.cli import ops_loader
from dispatcher.config import Settings
from dispatcher.db import migrations
from dispatcher.db.engine import connect
from dispatcher.runtime import Runtime


@contextmanager
def session() -> Iterator[Runtime]:
    """The settings with a database to work on; an embedded one is started if it does not run, and stopped after.

    Raises:
        UsageError: a bad setting, or a database without this version's schema.
    """
    settings = config.load()
    with ops_loader.embedded(settings, broker=False):
        runtime = Runtime(settings)
        try:
            migrations.require_schema(runtime.engine)
            yield runtime
        finally:
            runtime.close()


@contextmanager
def database_connection(settings: Settings) -> Iterator[Connection]:
    """A connection for one look; an embedded server that does not run is started for it, and stopped after."""
    with ops_loader.embedded(settings, broker=False):
        engine = connect(settings.sqlalchemy_url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()
