"""A simulator in a process of its own, for tests, the demo and benchmarks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from ops.simulator.remote import ControlError, Remote

ROOT = Path(__file__).resolve().parents[2]

__all__ = ["ROOT", "ControlError", "SimulatorProcess"]


class SimulatorProcess(Remote):
    """Starts, kills and steers one simulator. It never outlives the process that started it.

    >>> with SimulatorProcess() as simulator:
    ...     simulator.start(window="00:00-24:00", mix={"-1": 0.1})
    ...     simulator.url
    """

    def __init__(self) -> None:
        super().__init__("")
        self.url = ""
        self.smtp_url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._arguments: list[str] = []

    # -- life ------------------------------------------------------------------------------------------------

    def start(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        smtp_port: int = 0,
        ledger: Path | None = None,
        clock_offset: float = 0.0,
        clock_at: str | None = None,
        clock_speed: float = 1.0,
        **options: Any,
    ) -> SimulatorProcess:
        """Start and return once it listens; `options` are the fields of `ops.simulator.options.Options`."""
        self._arguments = [
            "--host",
            host,
            "--clock-speed",
            str(clock_speed),
            "--options",
            json.dumps(options),
        ]
        self._arguments += ["--clock-offset", str(clock_offset)]
        if ledger is not None:
            self._arguments += ["--ledger", str(ledger)]
        if clock_at is not None:
            self._arguments += ["--clock-at", clock_at]
        self._run(port, smtp_port)
        return self

    def restart(self) -> None:
        """Start again after `kill` or `stop`, on the same ports with the same arguments."""
        self.stop()
        self._run(_port(self.url), _port(self.smtp_url))

    def _run(self, port: int, smtp_port: int) -> None:
        if self._process is not None:
            raise RuntimeError("the simulator runs already")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        ports = ["--port", str(port), "--smtp-port", str(smtp_port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ops.simulator", "--until-eof", *ports, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._forget()
            raise RuntimeError(f"the simulator did not start (exit {code}); its stderr says why")
        ready = json.loads(line)
        self.url, self.smtp_url, self.control_url = ready["url"], ready["smtp_url"], ready["control_url"]

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the simulator does not run")
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: what it had not handed to the kernel is lost."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait; nothing when it does not run."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        assert self._process is not None
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process = None

    def __enter__(self) -> SimulatorProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
