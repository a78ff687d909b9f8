"""Several servers in one address: the first that answers, and that can be written to, is used."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.runtime import Runtime
from ops.chaos.tcp_postgres import Data, free_port, prepared, running
from tests.integration.core_harness import CoreHarness


@pytest.fixture(scope="module")
def data() -> Iterator[Data]:
    """A data folder whose database is migrated."""
    with tempfile.TemporaryDirectory(prefix="dispatcher-tests-", ignore_cleanup_errors=True) as folder:
        yield prepared(Path(folder))


@pytest.fixture
def primary(data: Data) -> Iterator[str]:
    """host:port of a server that can be written to."""
    port = free_port()
    with running(data, "127.0.0.1", port):
        yield f"127.0.0.1:{port}"


@pytest.fixture
def standby(data: Data, primary: str) -> Iterator[str]:
    """host:port of a server that follows it."""
    host, _, port = primary.partition(":")
    own = free_port()
    copy = data.folder.parent / "standby" / "postgres"
    copy.parent.mkdir()
    copy.parent.chmod(0o777)  # the server's user makes the copy
    source = ("-h", str(data.folder), "-p", port, "-U", "postgres")
    subprocess.run(data.command("pg_basebackup", "-D", str(copy), "-R", "-c", "fast", *source), check=True)
    with running(Data(copy, data.programs), host, own):
        yield f"{host}:{own}"


MakeRuntime = Callable[..., Runtime]


def test_the_second_host_serves_when_the_first_refuses(primary: str, make_runtime: MakeRuntime) -> None:
    refusing = f"127.0.0.1:{free_port()}"
    core = CoreHarness(make_runtime(database_url=f"postgresql://postgres@{refusing},{primary}/dispatcher"))
    assert core.one("SELECT current_database()") == "dispatcher"
    assert core.one("SHOW application_name") == "dispatcher"
    assert core.one("SHOW tcp_keepalives_idle") == "10"


def test_a_standby_is_passed_over_where_a_server_to_write_to_is_asked_for(
    primary: str, standby: str, make_runtime: MakeRuntime
) -> None:
    both = f"postgresql://postgres@{standby},{primary}/dispatcher"
    assert CoreHarness(make_runtime(database_url=both)).one("SELECT pg_is_in_recovery()")
    core = CoreHarness(make_runtime(database_url=f"{both}?target_session_attrs=read-write"))
    assert not core.one("SELECT pg_is_in_recovery()")
    assert core.load(10)
