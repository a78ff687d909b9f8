"""A database host that vanishes without a word, as when its machine loses power: both sides notice within half a minute."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import psycopg
import pytest
from sqlalchemy import text

from dispatcher.db.errors import DRIVER_ERRORS, DatabaseUnavailable, translate
from dispatcher.db.transactions import take_time
from dispatcher.runtime import Runtime
from ops.chaos import cable as cables
from ops.chaos.cable import Cable
from ops.chaos.tcp_postgres import free_port, prepared, running
from tests.conftest import wait_until

NOTICED_SECONDS = 30


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    if why := cables.missing():
        pytest.skip(why)
    try:
        with cables.laid() as laid:
            yield laid
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no network namespaces: {error.stderr}")


@dataclass(frozen=True)
class Served:
    """A server behind the cable; `near` is a way to it that the cable has no part in."""

    url: str
    near: str


@pytest.fixture(scope="module")
def served(cable: Cable) -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="dispatcher-tests-", ignore_cleanup_errors=True) as folder:
        data, port = prepared(Path(folder)), free_port()
        with running(data, cable.theirs, port, *cable.inside) as url:
            yield Served(url, f"host={data.folder} port={port} user=postgres dbname=dispatcher")


@pytest.mark.parametrize("when", ["waiting", "sending"])
def test_a_statement_ends_in_an_error_when_the_host_is_gone(
    cable: Cable, served: Served, make_runtime: Callable[..., Runtime], when: str
) -> None:
    """The keepalives tell who waits for an answer; the user timeout who has sent what nobody acknowledges."""
    runtime = make_runtime(database_url=served.url)
    with runtime.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        if when == "waiting":
            cutting = Timer(1, cable.cut)
            cutting.start()
            statement = "SELECT pg_sleep(300)"
        else:
            cable.cut()
            statement = "SELECT 1"
        began = time.monotonic()
        with pytest.raises(DRIVER_ERRORS) as caught:
            connection.execute(text(statement))
        noticed = time.monotonic() - began
    cable.mend()
    assert isinstance(translate(caught.value), DatabaseUnavailable)
    assert noticed < NOTICED_SECONDS


def test_the_server_lets_go_of_the_locks_of_a_client_that_is_gone(
    cable: Cable, served: Served, make_runtime: Callable[..., Runtime]
) -> None:
    """A load sets no limit to its pauses, so only the server's own look for its client ends it."""
    held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'campaign'::regclass"
    connection = make_runtime(database_url=served.url).engine.connect()
    take_time(connection)
    connection.execute(text("LOCK TABLE campaign"))
    with psycopg.connect(served.near, autocommit=True) as near:
        assert near.execute(held).fetchone() == (1,)
        cable.cut()
        wait_until(lambda: near.execute(held).fetchone() == (0,), NOTICED_SECONDS)
    cable.mend()
    connection.invalidate()
