"""The database goes away in the middle of a campaign, and comes back: the truth is still whole."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import psycopg
import pytest

from dispatcher.runtime import Runtime
from ops.embedded import Embedded
from tests.acceptance.live_system import LiveSystem
from tests.conftest import wait_until


@pytest.fixture
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A Postgres that a test may stop."""
    home = Embedded(tmp_path_factory.mktemp("own"))
    with home.using(broker=False):
        yield home


@pytest.fixture
def own_stage(own_servers: Embedded, live: LiveSystem, make_runtime: Callable[..., Runtime]) -> LiveSystem:
    """A live on that Postgres."""
    address = own_servers._state()["database_url"]
    live.cluster.environment["DISPATCHER_DATABASE_URL"] = address
    live.make_runtime = lambda **changes: make_runtime(database_url=address, **changes)
    live.runtime = live.make_runtime()
    live.simulator.set_option(latency=0.1)
    return live


def test_a_postgres_restarted_in_the_middle_ends_with_every_line_once(
    own_servers: Embedded, own_stage: LiveSystem
) -> None:
    campaign = own_stage.load(300, chunk_size=10)
    own_stage.cluster.start()
    for taken in (50, 150):
        own_stage.wait_taken(taken)
        own_servers.stop()
        own_servers.start(database=True, broker=False)
        own_stage.let_leases_expire()
    own_stage.finish(campaign, 60)
    own_stage.assert_every_line_once(campaign)


def test_servers_that_went_down_with_the_machine_can_be_stopped_and_started(own_servers: Embedded) -> None:
    pid = int((own_servers.home / "postgres" / "postmaster.pid").read_text().split()[0])
    postmaster = psutil.Process(pid)
    gone = [postmaster, *postmaster.children(recursive=True)]
    for process in gone:
        process.kill()
    psutil.wait_procs(gone, 10)
    own_servers.stop()
    own_servers.start(database=True, broker=False)
    with psycopg.connect(own_servers._state()["database_url"]) as connection:
        assert connection.execute("SELECT count(*) FROM campaign").fetchone() == (0,)


@pytest.mark.slow
def test_connections_terminated_all_the_while_end_with_every_line_once(live: LiveSystem, database_url: str) -> None:
    live.simulator.set_option(latency=0.1)
    campaign = live.load(200, chunk_size=10)
    live.cluster.start()
    live.wait_taken(30)
    with psycopg.connect(database_url, autocommit=True) as operator:
        for taken in range(40, 200, 20):
            live.wait_taken(taken)
            operator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    live.let_leases_expire()
    live.finish(campaign, 60)
    live.assert_every_line_once(campaign)


@pytest.mark.slow
def test_a_server_that_recovers_for_longer_than_its_starter_waits_is_waited_for(own_servers: Embedded) -> None:
    own_servers.stop()
    stopped: list[int] = []

    def stand_still() -> None:
        file = own_servers.home / "postgres" / "postmaster.pid"
        wait_until(file.exists, 10)
        stopped.append(int(file.read_text().split()[0]))
        os.kill(stopped[0], signal.SIGSTOP)
        time.sleep(12)  # longer than the wheel waits
        os.kill(stopped[0], signal.SIGCONT)

    stopper = threading.Thread(target=stand_still)
    stopper.start()
    address = own_servers.start(database=True, broker=False).database_url
    stopper.join()
    assert stopped
    assert address
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT count(*) FROM campaign").fetchone() == (0,)
