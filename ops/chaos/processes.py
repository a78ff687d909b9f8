"""Workers and beat of one scenario: real processes, each leading a group that a signal reaches whole."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from dispatcher.config import Settings
from ops import commands
from ops.chaos.points import Plan
from ops.chaos.tcp_postgres import free_port

QUEUES = "tick,submit,poll,control,urgent,webhooks"


class Processes:
    """Starts, signals and, at the end, kills."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        """Nothing is started."""
        self.environment = environment
        self.folder = folder
        self.plan = Plan(str(folder))
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def spawn(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start Celery with these arguments under the plan, its output in a file of the name."""
        command = [sys.executable, "-m", "ops.chaos.worker", *arguments]
        return self.run(name, command, **self.plan.environment(), **environment)

    def run(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        """Start a command."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        return self.running[name]

    def worker(self, name: str = "worker", slots: int = 4, environment: dict[str, str] | None = None) -> None:
        """Start a worker of every queue."""
        node = f"{name}-{self.folder.name}@%h"
        alone = ("--without-gossip", "--without-mingle")
        self.spawn(name, "worker", "-Q", QUEUES, "-n", node, "-c", str(slots), *alone, **(environment or {}))

    def worker_of_each_queue(self, settings: Settings) -> None:
        """Start the workers of `dispatcher up`."""
        for queue in commands.QUEUES:
            _, _, arguments = (" ".join(commands.worker(settings, queue))).partition(" workers.app:app ")
            self.spawn(queue, *arguments.split())

    def up(self, name: str = "up") -> subprocess.Popen[bytes]:
        """Start `dispatcher up`: all of it, as a user does."""
        command = [sys.executable, "-m", "dispatcher", "up"]
        return self.run(name, command, DISPATCHER_FLOWER_PORT=str(free_port()))

    def beat(self, name: str = "beat") -> None:
        """Start beat."""
        self.spawn(name, "beat")

    def start(self) -> None:
        """A worker and beat."""
        self.worker()
        self.beat()

    def pool(self, name: str = "worker") -> list[psutil.Process]:
        """The pool processes of a worker."""
        try:
            return psutil.Process(self.running[name].pid).children()
        except psutil.NoSuchProcess:
            return []

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the main process alone: its pool is its own business."""
        with suppress(ProcessLookupError):
            os.kill(self.running[name].pid, number)

    def kill(self, *names: str) -> None:
        """SIGKILL whole groups, all of them when none is named, and see them gone."""
        for name in names or tuple(self.running):
            process = self.running.pop(name)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def log(self, name: str) -> str:
        """What a process has written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
