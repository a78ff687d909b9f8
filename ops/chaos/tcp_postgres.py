"""A Postgres of the wheel on TCP, in the folder of a stopped embedded one; perhaps in another network namespace."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ops.embedded import Embedded, _postgres


def free_port() -> int:
    """A port of this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass(frozen=True)
class Data:
    """A data folder, and where the programs are that work on it."""

    folder: Path
    programs: Path

    def command(self, name: str, *arguments: str) -> list[str]:
        """A program, run by the user whose folder it is: the server refuses to run as root."""
        command = [str(self.programs / name), *arguments]
        if os.geteuid() != 0:
            return command
        owner = self.folder.stat()
        setpriv = shutil.which("setpriv")
        assert setpriv
        return [setpriv, f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups", *command]


def prepared(folder: Path) -> Data:
    """The data of a migrated database `dispatcher`, with no server running on it."""
    data = folder / "postgres"
    with Embedded(folder).using(broker=False):
        programs = _postgres(data, start=False).bin_path
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("\nhost all all 0.0.0.0/0 trust\n")
    return Data(data, programs)


def let_through(folder: Path) -> None:
    """Let the server's user pass the folders above its own: a home is closed to others by whoever works in it."""
    for above in folder.parents:
        mode = above.stat().st_mode
        if mode & 0o011 != 0o011:  # the user may be one of root's group, as the wheel's is
            above.chmod(mode | 0o011)


class Server:
    """One process that serves a data folder; `url` is the database's address."""

    def __init__(self, data: Data, host: str, port: int, *before: str) -> None:
        """Start it. `before` is what the command is given to, such as `ip netns exec x`."""
        folder = str(data.folder)
        if os.geteuid() == 0:
            let_through(data.folder)
        command = data.command("postgres", "-D", folder, "-h", host, "-p", str(port), "-k", folder)
        with (data.folder.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen([*before, *command], stdout=log, stderr=log)
        self.url = f"postgresql://postgres@{host}:{port}/dispatcher"

    def wait(self, url: str | None = None, seconds: float = 60) -> None:
        """Wait until it answers, at another address if told so."""
        ends = time.monotonic() + seconds
        while not answers(url or self.url):
            if time.monotonic() > ends:
                raise TimeoutError(f"Postgres does not answer at {url or self.url}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it at once, as in a crash."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)


@contextmanager
def running(data: Data, host: str, port: int, *before: str) -> Iterator[str]:
    """Run one for the length of a block; the database's address."""
    server = Server(data, host, port, *before)
    try:
        server.wait()
        yield server.url
    finally:
        server.stop()


def answers(url: str) -> bool:
    """Whether somebody can connect."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
