"""Real servers for the tests: one embedded Postgres and Valkey a run, one database a test, cloned from a template."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis

from dispatcher import config
from dispatcher.config import Settings
from dispatcher.i18n import words
from dispatcher.runtime import Runtime
from ops.demo import isolated
from ops.embedded import Addresses, Embedded
from ops.simulator.options import Options
from ops.simulator.process import SimulatorProcess
from tests.databases import Databases
from tests.processes import ROOT, Cluster

pytest_plugins = ["tests.left_out"]

APIKEY = "SIMULADOR"

# How long an example takes depends on what else the machine does; no property here is about time.
hypothesis.settings.register_profile("dispatcher", deadline=None)
hypothesis.settings.load_profile("dispatcher")


def pytest_configure() -> None:
    """A temporary root of this checkout's own.

    The common one is closed, whenever another run of pytest begins, to the user that Postgres runs as.
    """
    root = Path(tempfile.gettempdir()) / f"pytest-{hashlib.sha256(bytes(ROOT)).hexdigest()[:8]}"
    root.mkdir(exist_ok=True)
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(root))


@pytest.fixture(autouse=True, scope="session")
def _no_configured_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever key, URL, database or language is configured here, no test sees it."""
    with isolated(tmp_path_factory.mktemp("home")):
        os.environ["DISPATCHER_LANGUAGE"] = "en"
        try:
            yield
        finally:
            os.environ.pop("DISPATCHER_LANGUAGE", None)


@pytest.fixture(autouse=True)
def _same_language() -> Iterator[None]:
    """A command that runs in the test's own process speaks its language there; the next test begins in English."""
    words.speak("en")
    yield
    words.speak("en")


@pytest.fixture(autouse=True)
def _same_umask() -> Iterator[None]:
    """Commands that run in the test's own process close their files to others; the next test begins as before."""
    umask = os.umask(0)
    os.umask(umask)
    yield
    os.umask(umask)


@pytest.fixture(scope="session")
def servers() -> Iterator[Addresses]:
    """The embedded servers of this run; the database `dispatcher` in them is migrated, and only a template."""
    # Not below pytest's own folder: another run of pytest closes that one to the user that Postgres runs as.
    with (
        tempfile.TemporaryDirectory(prefix="dispatcher-tests-", ignore_cleanup_errors=True) as folder,
        Embedded(Path(folder)).using() as addresses,
    ):
        yield addresses


@pytest.fixture(scope="session")
def databases(servers: Addresses) -> Databases:
    """The databases of this run."""
    assert servers.database_url
    return Databases(servers.database_url)


@pytest.fixture
def database_url(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database of the test's own."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    yield databases.take(name)
    databases.give_back(name)


@pytest.fixture
def broker_url(servers: Addresses) -> str:
    """An empty broker."""
    assert servers.broker_url
    client = redis.Redis(unix_socket_path=servers.broker_url.removeprefix("redis+socket://"))
    client.flushall()
    client.close()
    return servers.broker_url


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[SimulatorProcess]:
    """A process of its own costs half a second a test."""
    with SimulatorProcess() as process:
        process.start(apikey=[APIKEY], window="00:00-24:00")
        yield process


@pytest.fixture
def simulator(shared_simulator: SimulatorProcess) -> SimulatorProcess:
    """A provider that is always open, answers at once, and remembers nothing of the test before."""
    shared_simulator.reset()
    shared_simulator.set_option(**Options(apikey=[APIKEY], window="00:00-24:00").model_dump(mode="json"))
    shared_simulator.set_clock(offset=0, speed=1)
    return shared_simulator


@pytest.fixture
def environment(tmp_path: Path, database_url: str, broker_url: str, simulator: SimulatorProcess) -> dict[str, str]:
    """The settings of a test's dispatcher: quick polls, short horizons, always open."""
    return {
        "DISPATCHER_HOME": str(tmp_path / "home"),
        "DISPATCHER_NO_DOTENV": "1",
        "DISPATCHER_DATABASE_URL": database_url,
        "DISPATCHER_BROKER_URL": broker_url,
        "DISPATCHER_PROVIDER_URL": simulator.url,
        "DISPATCHER_APIKEY": APIKEY,
        "DISPATCHER_WINDOW": "00:00-24:00",
        "DISPATCHER_POLL_INTERVAL": "1",
        "DISPATCHER_PROVIDER_TIMEOUT": "5",
        "DISPATCHER_IN_DOUBT_HORIZON": "3",
        "DISPATCHER_PROBE_RATE": "200",
        "DISPATCHER_CLOCK_LIMIT": "0",  # many tests set the simulator's clock to another year
    }


@pytest.fixture
def make_settings(environment: dict[str, str], tmp_path: Path) -> Callable[..., Settings]:
    """Settings of the test's environment, with changes: `make_settings(chunk_size=10)`."""

    def make(**changes: Any) -> Settings:
        values = {**environment, **{f"DISPATCHER_{name.upper()}": str(value) for name, value in changes.items()}}
        with isolated(tmp_path / "home", **values):
            return config.load()

    return make


@pytest.fixture
def make_runtime(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Runtime]]:
    """Runtimes of the test's settings; closed at its end."""
    made: list[Runtime] = []

    def make(**changes: Any) -> Runtime:
        made.append(Runtime(make_settings(**changes)))
        return made[-1]

    yield make
    for runtime in made:
        runtime.close()


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    """A runtime of the test's settings."""
    return make_runtime()


@pytest.fixture
def cluster(environment: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
    """Real workers and beat, as process groups that a test may kill."""
    with Cluster({**os.environ, **environment}, tmp_path) as running:
        yield running


SLOW_MACHINE = 4
"""How many times as long anything may take when the machine has other work; what succeeds does not wait for it."""


def wait_until(predicate: Callable[[], Any], deadline: float = 30.0, what: str = "") -> Any:
    """The predicate's first true value; fails after the seconds that an idle machine needs at most, times four."""
    ends = time.monotonic() + deadline * SLOW_MACHINE
    while time.monotonic() < ends:
        if value := predicate():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {deadline * SLOW_MACHINE} s: {what or predicate}")
