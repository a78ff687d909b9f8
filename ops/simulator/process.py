"""A simulator in a process of its own, for tests, the demo and benchmarks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ControlError(Exception):
    """The simulator refused a control call; the message is its reason."""


class SimulatorProcess:
    """Starts, kills and steers one simulator. It never outlives the process that started it.

    >>> with SimulatorProcess() as simulator:
    ...     simulator.start(window="00:00-24:00", mix={"-1": 0.1})
    ...     simulator.url
    """

    def __init__(self) -> None:
        self.url = ""
        self.smtp_url = ""
        self.control_url = ""
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
        """SIGSTOP: connections stand, nothing answers."""
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

    # -- what happened ---------------------------------------------------------------------------------------

    def ledger(self) -> Iterator[dict[str, Any]]:
        """Every line taken or ignored (`ignored` says why), one object each, as `ledger.lines_of` has it."""
        return self._lines("ledger")

    def posts(self) -> Iterator[dict[str, Any]]:
        """Every call that brought messages, by whatever `transport` (bulk, http, soap, smtp): when, bytes, lines
        offered and taken, the fault that hit it, what was answered."""
        return self._lines("posts")

    def calls(self) -> Iterator[dict[str, Any]]:
        """The latest 200,000 calls of every endpoint, in order."""
        return self._lines("calls")

    def sent(self) -> dict[str, Any]:
        """`lines`, `ok`, and what was `taken_twice`, `sent_twice` (by idinterno) or `pairs_sent_twice`."""
        return self._object("GET", "sent")

    def stats(self) -> dict[str, Any]:
        return self._object("GET", "stats")

    def replies(self) -> Iterator[dict[str, Any]]:
        """Every reply in the inboxes, with its read flag."""
        return self._lines("replies")

    def pushes(self) -> Iterator[dict[str, Any]]:
        """Every try to push a reply: its id, the status that came back or the error."""
        return self._lines("pushes")

    def held(self, count: int = 0, timeout: float = 10.0) -> list[dict[str, Any]]:
        """The calls being held, once there are `count` or after `timeout` seconds."""
        held: list[dict[str, Any]] = self._object("GET", f"held?count={count}&timeout={timeout}")["held"]
        return held

    # -- what shall happen -----------------------------------------------------------------------------------

    def set_faults(self, *faults: dict[str, Any], replace: bool = False) -> None:
        """Switch faults on: the fields of `ops.simulator.faults.Fault`."""
        self._call("POST", "faults", {"faults": list(faults), "replace": replace})

    def clear_faults(self) -> None:
        """Switch every fault off and listen again; what is held stays held until `release`."""
        self._call("DELETE", "faults")

    def set_option(self, **options: Any) -> None:
        """Change options now; what was due before keeps its result."""
        self._call("POST", "options", options)

    def set_clock(
        self,
        *,
        offset: float | None = None,
        advance: float | None = None,
        at: str | None = None,
        speed: float | None = None,
    ) -> str:
        """Move the provider's clock; returns its `YYYY-MM-DD HH:MM:SS`."""
        wanted = {"offset": offset, "advance": advance, "at": at, "speed": speed}
        return str(self._object("POST", "clock", wanted)["now"])

    def inject(self, *rows: dict[str, Any], account: str = "main") -> None:
        """Add result rows `{idinterno, text, fecha}` that no POST brought."""
        self._call("POST", "inject", {"rows": list(rows), "account": account})

    def reply(self, origen: str, texto: str, **more: Any) -> dict[str, Any]:
        """A person answers: the fields of `ops.simulator.control.NewReply`. Returns the reply with its id."""
        return self._object("POST", "reply", {"origen": origen, "texto": texto, **more})

    def release(self, count: int | None = None) -> int:
        return int(self._object("POST", "release", {"count": count})["released"])

    def reset(self) -> None:
        """Forget lines, results, calls and faults; options and clock stay."""
        self._call("POST", "reset")

    # -- the wire --------------------------------------------------------------------------------------------

    def _open(self, method: str, page: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.control_url}/_sim/{page}", data=data, method=method)
        try:
            return _OPENER.open(request, timeout=120)
        except urllib.error.HTTPError as error:
            with error:
                raise ControlError(json.loads(error.read())["error"]) from None

    def _call(self, method: str, page: str, body: Any = None) -> Any:
        with self._open(method, page, body) as answer:
            return json.load(answer)

    def _object(self, method: str, page: str, body: Any = None) -> dict[str, Any]:
        answer: dict[str, Any] = self._call(method, page, body)
        return answer

    def _lines(self, page: str) -> Iterator[dict[str, Any]]:
        with self._open("GET", page) as answer:
            for line in answer:
                yield json.loads(line)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
