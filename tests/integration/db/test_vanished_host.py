"""A database host that vanishes without a word, as when its machine loses power: both sides notice within half a minute."""

import os
import shutil
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
from tests.conftest import wait_until
from tests.integration.db.tcp_server import free_port, prepared, running

NOTICED_SECONDS = 30
RUN = os.getpid()  # several runs may be on one machine
SPACE, OUR_LINK, THEIR_LINK = f"dsp{RUN}", f"dsp{RUN}a", f"dsp{RUN}b"
OURS, THEIRS = (f"10.213.{RUN % 250}.{last}" for last in (1, 2))


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Cable:
    """A link to another network namespace that can be cut: what is sent then goes nowhere, without an error."""

    def cut(self) -> None:
        ip("-n", SPACE, "link", "set", THEIR_LINK, "down")

    def mend(self) -> None:
        ip("-n", SPACE, "link", "set", THEIR_LINK, "up")


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("only root may make a network whose cable can be cut, and only with iproute2")
    try:
        ip("netns", "add", SPACE)
        ip("link", "add", OUR_LINK, "type", "veth", "peer", "name", THEIR_LINK, "netns", SPACE)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no network namespaces: {error.stderr.decode()}")
    try:
        for space, link, address in (((), OUR_LINK, OURS), (("-n", SPACE), THEIR_LINK, THEIRS)):
            ip(*space, "addr", "add", f"{address}/30", "dev", link)
            ip(*space, "link", "set", link, "up")
        # Else a neighbour that does not answer is told to the socket, as no router beyond would tell it.
        theirs = subprocess.run(
            ["ip", "-n", SPACE, "-br", "link", "show", THEIR_LINK], check=True, capture_output=True, text=True
        )
        ip("neigh", "replace", THEIRS, "lladdr", theirs.stdout.split()[2], "dev", OUR_LINK, "nud", "permanent")
        yield Cable()
    finally:
        ip("netns", "delete", SPACE)


@dataclass(frozen=True)
class Served:
    """A server behind the cable; `near` is a way to it that the cable has no part in."""

    url: str
    near: str


@pytest.fixture(scope="module")
def served(cable: Cable) -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="dispatcher-tests-", ignore_cleanup_errors=True) as folder:
        data, port = prepared(Path(folder)), free_port()
        with running(data, THEIRS, port, "ip", "netns", "exec", SPACE) as url:
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
