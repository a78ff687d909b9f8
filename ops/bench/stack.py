"""A whole stack of its own for one measurement: servers, simulator, settings, and workers where they are wanted.

The configured URL, key, database and broker are not read, so nothing that is measured can reach a phone.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import platformdirs
import psycopg
import redis

from dispatcher import config
from dispatcher.campaigns import loading
from dispatcher.campaigns.filling import Loaded
from dispatcher.config import Settings
from dispatcher.ingest import open_source
from dispatcher.runtime import Runtime
from ops.bench.lists import TEMPLATE
from ops.bench.meter import Roots
from ops.commands import celery
from ops.demo import isolated
from ops.embedded import Addresses, Embedded
from ops.simulator.process import SimulatorProcess
from ops.supervisor import environment
from schemas.payload import CampaignSpec

APIKEY = "BENCH"


@dataclass
class Stack:
    """Running servers with a migrated database, a simulated provider, and the settings that name them."""

    home: Path
    addresses: Addresses
    simulator: SimulatorProcess
    settings: Settings
    runtime: Runtime
    observer: psycopg.Connection[Any]  # looks without being counted
    roots: Roots = field(default_factory=dict)

    @property
    def postgres_log(self) -> Path:
        """Where Postgres writes its log."""
        return self.home / "postgres" / "log"

    def load(self, path: Path) -> Loaded:
        """Load a list as a campaign that may run at once."""
        with open_source(path) as source, self.runtime.engine.begin() as connection:
            return loading.load(connection, self.settings, CampaignSpec(template=TEMPLATE, id_column="cliente"), source)

    @contextmanager
    def processes(self, extra: dict[str, str] | None = None, **commands: list[str]) -> Iterator[None]:
        """Run commands beside the servers, each counted under its name; killed at the end."""
        variables = {**environment(self.settings), **(extra or {})}
        running: dict[str, subprocess.Popen[bytes]] = {}
        with (self.home / "workers.log").open("ab") as log:
            try:
                for name, command in commands.items():
                    running[name] = subprocess.Popen(command, env=variables, stdout=log, stderr=log, process_group=0)
                    self.roots[name] = running[name].pid
                yield
            finally:
                for process in running.values():
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Worker and beat, as `dispatcher up` runs them, once both show signs of life."""
        slots = str(self.settings.concurrency + 3)
        worker = celery("worker", "-Q", "tick,submit,poll,control", "-n", "bench@%h", "-c", slots)
        with self.processes(worker=worker, beat=celery("beat")):
            self.wait(
                lambda: self.scalar("SELECT count(*) FROM heartbeat") > 0, 60, "no sign of life of worker and beat"
            )
            yield

    def scalar(self, statement: LiteralString) -> int:
        """One number from the database."""
        row = self.observer.execute(statement).fetchone()
        return int(row[0] or 0) if row else 0

    def broker_clients(self) -> int:
        """How many connections the broker has; a worker that listens holds two at least."""
        assert self.addresses.broker_url
        with redis.Redis(unix_socket_path=self.addresses.broker_url.removeprefix("redis+socket://")) as client:
            return len(client.client_list()) - 1

    def wait(self, condition: Callable[[], object], seconds: float, complaint: str) -> None:
        """Look ten times a second until it holds."""
        ends = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > ends:
                raise RuntimeError(f"{complaint} within {seconds:.0f} s; see {self.home / 'workers.log'}")
            time.sleep(0.1)


def home() -> Path:
    """The folder of every measurement's home, beside and never inside DISPATCHER_HOME."""
    return Path(platformdirs.user_data_dir("dispatcher-bench"))


@contextmanager
def stack(name: str, **settings: str) -> Iterator[Stack]:
    """Start a stack in an empty home; it is stopped and removed at the end of the block."""
    where = home() / name
    _remove(where)
    where.mkdir(parents=True)
    with ExitStack() as open_:
        open_.callback(_remove, where)
        open_.enter_context(isolated(where))
        addresses = open_.enter_context(Embedded(where).using())
        simulator = open_.enter_context(SimulatorProcess())
        simulator.start(apikey=[APIKEY], window="00:00-24:00", delay_min=0, delay_max=1, max_answer=0)
        assert addresses.database_url
        assert addresses.broker_url
        values = {
            "DISPATCHER_DATABASE_URL": addresses.database_url,
            "DISPATCHER_BROKER_URL": addresses.broker_url,
            "DISPATCHER_PROVIDER_URL": simulator.url,
            "DISPATCHER_APIKEY": APIKEY,
            "DISPATCHER_WINDOW": "00:00-24:00",
            **settings,
        }
        open_.enter_context(isolated(where, **values))
        runtime = Runtime(config.load())
        open_.callback(runtime.close)
        quiet = "-c log_statement=none -c application_name=bench"
        observer = open_.enter_context(psycopg.connect(addresses.database_url, options=quiet, autocommit=True))
        roots = {
            "postgres": int((where / "postgres" / "postmaster.pid").read_text().splitlines()[0]),
            "valkey": int((where / "valkey" / "valkey.pid").read_text()),
            "simulator": simulator.pid,
        }
        yield Stack(where, addresses, simulator, runtime.settings, runtime, observer, roots)


def _remove(where: Path) -> None:
    """End what an interrupted run left, and its files."""
    servers = Embedded(where)
    if servers.state_file.exists():
        servers.stop()
    shutil.rmtree(where, ignore_errors=True)
