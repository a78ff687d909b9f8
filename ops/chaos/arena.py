"""Servers for many scenarios: one Postgres, one Valkey, one simulator; a fresh database and an empty broker for each.

The configured URL, key, database and broker are not read, so nothing of this can reach a phone.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
import psycopg
import redis
from psycopg import sql

from ops.alone import alone
from ops.chaos.tcp_postgres import let_through
from ops.demo import isolated
from ops.embedded import DATABASE, Embedded
from ops.simulator.options import Options
from ops.simulator.process import SimulatorProcess

APIKEY = "CHAOS"
OPTIONS = {
    "window": "00:00-24:00",
    "dup_hours": 0,  # the provider's own guard would hide a second POST from the count
    "mix": {"-1": 0.04, "-10": 0.03, "-2": 0.01},
    "delay_min": 0.1,
    "delay_max": 1.0,
    "latency": 0.03,
}


@dataclass
class Arena:
    """Running servers. `cluster` is the database server's address without a database."""

    servers: Embedded
    simulator: SimulatorProcess
    folder: Path
    cluster: str
    broker_url: str
    databases: list[str] = field(default_factory=list)

    def url(self, name: str) -> str:
        """The address of a database."""
        return self.cluster.replace("/postgres?", f"/{name}?")

    def admin(self, statement: str, *names: str) -> None:
        """Run a statement on the server itself; `{}` stands for names."""
        with psycopg.connect(self.cluster, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def clone(self, name: str, template: str = DATABASE) -> str:
        """A copy of a database, of the migrated empty one by default; nobody may be connected to it."""
        self.drop(name)
        self.admin("CREATE DATABASE {} TEMPLATE {}", name, template)
        self.databases.append(name)
        if template == DATABASE:
            with psycopg.connect(self.url(name)) as connection:  # as a database that was made by itself
                connection.execute(
                    "UPDATE installation SET prefix = upper(substr(replace(gen_random_uuid()::text, '-', ''), 1, 10))"
                )
        return self.url(name)

    @contextmanager
    def moved(self, name: str, where: Path) -> Iterator[None]:
        """Keep a database's tables in another folder for the length of a block; nobody may be connected at its ends."""
        owner = (self.servers.home / "postgres").stat()
        os.chown(where, owner.st_uid, owner.st_gid)
        if os.geteuid() == 0:
            let_through(where)
        with psycopg.connect(self.cluster, autocommit=True) as connection:
            place = sql.Literal(str(where))
            connection.execute(sql.SQL("CREATE TABLESPACE chaos_disk LOCATION {}").format(place))
        self.admin("ALTER DATABASE {} SET TABLESPACE chaos_disk", name)
        try:
            yield
        finally:
            self.admin("ALTER DATABASE {} SET TABLESPACE pg_default", name)
            self.admin("DROP TABLESPACE chaos_disk")

    def own_clock(self, name: str) -> None:
        """Let a database's clock be stepped by `UPDATE chaos_clock.step`, as the machine's clock would step it."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA chaos_clock")
            connection.execute("CREATE TABLE chaos_clock.step (seconds float NOT NULL)")
            connection.execute("INSERT INTO chaos_clock.step VALUES (0)")
            for function, volatility in (("clock_timestamp", "VOLATILE"), ("now", "STABLE")):
                connection.execute(
                    sql.SQL(
                        "CREATE FUNCTION chaos_clock.{name}() RETURNS timestamptz LANGUAGE sql {volatility} AS "
                        "'SELECT pg_catalog.{name}() + make_interval(secs => seconds) FROM chaos_clock.step'"
                    ).format(name=sql.Identifier(function), volatility=sql.SQL(volatility))
                )
        self.admin("ALTER DATABASE {} SET search_path = chaos_clock, pg_catalog, public", name)

    def drop(self, name: str) -> None:
        """End a database, whoever is connected."""
        self.admin("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    @contextmanager
    def broker(self) -> "Iterator[redis.Redis]":
        """A client of the broker's server."""
        client = redis.Redis(unix_socket_path=self.broker_url.removeprefix("redis+socket://"), socket_timeout=5)
        try:
            yield client
        finally:
            client.close()

    def kill_broker(self) -> None:
        """SIGKILL, and everything that it held is gone."""
        pid_file = self.servers.home / "valkey" / "valkey.pid"
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGKILL)
        _wait_gone(pid)
        shutil.rmtree(pid_file.parent)

    def crash_postgres(self) -> None:
        """Postgres stops at once, as in a crash: it will have to recover from its log."""
        pid = int((self.servers.home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGQUIT)
        _wait_gone(pid)

    def revive(self) -> None:
        """Start whatever server does not run; a database that recovers from a long log may take its time."""
        ends = time.monotonic() + 120
        while True:
            try:
                self.servers.start(database=True, broker=True)
            except subprocess.TimeoutExpired:  # the wheel waits for ten seconds; the server goes on
                if time.monotonic() > ends:
                    raise
            else:
                return

    def reset(self, name: str, options: dict[str, object]) -> str:
        """Set everything back for the next scenario. Returns its database's address."""
        self.revive()
        with self.broker() as client:
            client.replicaof("NO", "ONE")
            client.config_set("maxmemory", "0")
            client.flushall()
        while self.databases:
            self.drop(self.databases.pop())
        self.simulator.reset()
        self.simulator.set_clock(offset=0, speed=1)
        self.simulator.set_option(**{**Options(apikey=[APIKEY]).model_dump(mode="json"), **OPTIONS, **options})
        return self.clone(name)


def _wait_gone(pid: int, seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists() if Path("/proc").exists() else _runs(pid):
        if time.monotonic() > ends:
            raise TimeoutError(f"process {pid} does not end")
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def home() -> Path:
    """The harness's own folder, beside and never inside DISPATCHER_HOME."""
    return Path(platformdirs.user_data_dir("dispatcher-chaos"))


@contextmanager
def arena(where: Path | None = None) -> Iterator[Arena]:
    """Start the servers in an emptied folder; they are stopped at the end, what the workers wrote stays."""
    where = where or home()
    servers = Embedded(where / "servers")
    with ExitStack() as stack:
        stack.enter_context(alone(where, "The harness is running already.", "Wait for it to end."))
        if servers.state_file.exists():
            servers.stop()
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir(parents=True)
        stack.enter_context(isolated(where))
        addresses = stack.enter_context(servers.using())
        simulator = stack.enter_context(SimulatorProcess())
        simulator.start(apikey=[APIKEY], window="00:00-24:00")
        assert addresses.database_url
        assert addresses.broker_url
        cluster = addresses.database_url.replace(f"/{DATABASE}?", "/postgres?")
        yield Arena(servers, simulator, where, cluster, addresses.broker_url)
