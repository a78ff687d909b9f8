"""What the integration tests share: a core to work on, and a server that does not wait for the disk."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

from dispatcher.runtime import Runtime
from ops.embedded import Addresses
from tests.integration.core_harness import CoreHarness


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk(servers: Addresses) -> None:
    """Making and dropping a database a test waits for the disk longer than the test runs; no test pulls the plug."""
    assert servers.database_url
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def make_core(make_runtime: Callable[..., Runtime]) -> Callable[..., CoreHarness]:
    """A core with settings of its own: `make_core(chunk_size=10)`."""

    def make(**changes: object) -> CoreHarness:
        return CoreHarness(make_runtime(**changes))

    return make


@pytest.fixture
def core(make_core: Callable[..., CoreHarness]) -> CoreHarness:
    """A core whose chunks have ten messages; every move of a state is held against the list of allowed ones."""
    made = make_core(chunk_size=10)
    made.watch_moves()
    return made
