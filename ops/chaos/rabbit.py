"""A RabbitMQ of the harness's own: Debian's package, its own ports and folder, loopback only."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one on PATH changes to the user of the system's service


def missing() -> str | None:
    """Why it cannot be started on this machine; None when it can."""
    return None if _SERVER.exists() and shutil.which("epmd") else "rabbitmq-server is not installed"


class Rabbit:
    """One node with what it keeps on disk."""

    def __init__(self, folder: Path) -> None:
        """Take a folder and free ports; nothing is started."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port, distribution, self._epmd_port = _free_ports(3)
        self._processes: list[subprocess.Popen[bytes]] = []
        (folder / "plugins").write_text("[].")
        self._environment = {
            **os.environ,
            "HOME": str(folder),  # the cookie
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": f"chaos{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    @property
    def url(self) -> str:
        """As DISPATCHER_BROKER_URL has it."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Start the node on what it kept, and wait until it answers."""
        self._spawn(str(_SERVER))
        ends = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > ends:
                raise TimeoutError(f"RabbitMQ does not answer ({self.folder / 'out'})")
            time.sleep(0.2)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the node: SIGKILL as a crash, SIGTERM in order."""
        node = self._processes.pop()
        with suppress(ProcessLookupError):
            os.killpg(node.pid, number)
        node.wait(30)

    def _spawn(self, *command: str) -> None:
        with (self.folder / "out").open("ab") as out:
            self._processes.append(
                subprocess.Popen(
                    command,
                    env=self._environment,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    process_group=0,
                )
            )

    def _answers(self) -> bool:
        """Whether it says which protocol it speaks, or what it thinks of ours."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as there:
            there.settimeout(2)
            there.sendall(b"AMQP\x00\x00\x09\x01")
            return bool(there.recv(1))
        return False

    @contextmanager
    def running(self) -> Iterator["Rabbit"]:
        """The node for the length of a block, with a name server of its own."""
        self._spawn("epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1")
        try:
            self.start()
            yield self
        finally:
            while self._processes:
                self.stop()


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports
