"""Real processes for the tests: workers, beat and the command line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ops.commands import celery

ROOT = Path(__file__).resolve().parents[1]


class Cluster:
    """Workers and beat of one test; whatever runs is killed at its end."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        """Nothing is started."""
        path = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH", "")]))
        self.environment = {**environment, "PYTHONPATH": path, "POLARS_MAX_THREADS": "1"}
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def spawn(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own, with its output in a file."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env={**self.environment, **environment}, stdout=log, stderr=log, process_group=0
            )
        return self.processes[name]

    def worker(
        self,
        name: str = "worker",
        slots: int = 4,
        queues: str = "tick,submit,poll,control,urgent",
        options: tuple[str, ...] = (),
        **env: str,
    ) -> None:
        """Start a worker; `options` are further ones of `celery worker`."""
        here = ("-Q", queues, "-n", f"{name}-{self.folder.name}@%h", "-c", str(slots))
        self.spawn(name, celery("worker", *here, *options), **env)

    def beat(self, name: str = "beat", **env: str) -> None:
        """Start beat."""
        self.spawn(name, celery("beat"), **env)

    def start(self) -> None:
        """A worker and beat."""
        self.worker()
        self.beat()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a whole group; after SIGKILL it is gone."""
        process = self.processes[name]
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        if number == signal.SIGKILL:
            process.wait(10)

    def log(self, name: str = "worker") -> str:
        """What a process has written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def cli(self, *arguments: str, code: int | None = 0, stdin: bytes = b"", timeout: float = 240) -> dict[str, Any]:
        """Run `dispatcher … --json`; its one JSON object. `code` is the exit code that is expected, None any."""
        done = subprocess.run(
            [sys.executable, "-m", "dispatcher", *arguments, "--json"],
            env=self.environment,
            capture_output=True,
            input=stdin,
            timeout=timeout,
        )
        words = f"{arguments}: exit {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        assert code is None or done.returncode == code, words
        return dict(json.loads(done.stdout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self.processes:
            self.kill(name, signal.SIGCONT)
            self.kill(name)
