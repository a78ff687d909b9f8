"""`dispatcher up`: the workers, beat, Flower and the listeners as child processes of one foreground process.

A child that dies is started again, later each time it dies young. SIGTERM or Ctrl-C stops all: Celery finishes the
call that is under way; what does not stop in time is killed, and its lease brings the chunk back. When this process
is itself killed, the kernel tells its children to stop (`ops/leash.py`). On Linux the children are forks of this
process, to share its memory (`ops/nursery.py`).
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dispatcher import config, error_reports
from dispatcher.config import Settings
from dispatcher.home import keep_to_ourselves, make_lists_folder_if_possible
from dispatcher.i18n.words import worded
from ops import commands, free_ports, nursery
from ops.revival import Revival
from ops.welcome import Welcome

KILL_EXTRA = 45.0
"""Seconds beyond one provider call after which a child that should stop is killed."""
_HEAD_START = 5.0
"""Seconds that beat gets to end before the workers are told; it ends at once, unless the broker holds it up."""
_YOUNG = 10.0
_MAX_BACKOFF = 30.0


class Process(Protocol):
    """What the supervisor asks of a running child, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int:
        """Its number, and that of its group."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""

    def terminate(self) -> None:
        """Send SIGTERM."""


@dataclass
class Child:
    """A process that should run."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    stops_first: bool = False
    process: Process | None = None
    started: float = 0.0
    deaths: int = 0
    start_at: float = 0.0


def children(settings: Settings) -> list[Child]:
    """What `up` runs; the compose file and the systemd units run the same commands."""
    return [
        *(Child(queue, commands.worker(settings, queue)) for queue in commands.QUEUES),
        Child("beat", commands.celery("beat"), stops_first=True),
        *_flower(settings),
        *([Child("push", [sys.executable, "-m", "dispatcher", "push"])] if settings.push_port else []),
        *([Child("web", [sys.executable, "-m", "dispatcher", "web"])] if settings.web_port else []),
    ]


def _flower(settings: Settings) -> list[Child]:
    if not settings.flower_port:
        return []
    return [Child("flower", commands.flower(settings), {"FLOWER_BASIC_AUTH": commands.flower_auth(settings)})]


Start = Callable[[Child, dict[str, str]], Process]
"""How a child is started with an environment: in a group of its own, on the leash, its words on our stderr.

A group of its own, since a terminal's Ctrl-C then reaches the supervisor alone, which stops the rest in order.
"""


def spawn(child: Child, environment: dict[str, str]) -> Process:
    """Start a child as a program of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ops.leash", str(os.getpid()), *child.command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        process_group=0,
    )


def fork(child: Child, environment: dict[str, str]) -> Process:
    """Start a child as a fork of this process, which shares its memory; its command is `python -m …`."""
    _, dash_m, module, *arguments = child.command
    assert dash_m == "-m", child.command
    return nursery.fork(f"dispatcher {child.name}", module, arguments, environment)


class Supervisor:
    """Keeps children running until told to stop."""

    def __init__(
        self,
        wanted: list[Child],
        environment: dict[str, str],
        grace: float,
        log: Callable[[str], None],
        start: Start = spawn,
        revival: Revival | None = None,
        welcome: Welcome | None = None,
    ) -> None:
        """Take the children; nothing is started. `revival` looks after the servers that they need."""
        self.children = wanted
        self._start = start
        self._environment = environment
        self._grace = grace
        self._log = log
        self._revival = revival
        self._welcome = welcome
        self._stopping = threading.Event()

    def stop(self, *_: object) -> None:
        """Ask for the end; may be a signal's handler."""
        self._stopping.set()

    def run(self) -> int:
        """Run until stopped. Returns the exit code: 0 after a clean stop."""
        try:
            while not self._stopping.is_set():
                if self._revival:
                    self._revival.look()
                for child in self.children:
                    self._look_after(child)
                if self._welcome:
                    self._welcome.look()
                self._stopping.wait(0.2)
        finally:
            clean = self._stop_all()
            if self._revival:
                self._revival.end()
        return 0 if clean else 1

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is not None and child.process.poll() is not None:
            young = now - child.started < _YOUNG
            child.deaths = child.deaths + 1 if young else 1
            wait = min(_MAX_BACKOFF, 2.0 ** (child.deaths - 1))
            self._log(f"{child.name} ended with {child.process.poll()}; starting it again in {wait:.0f} s")
            child.process, child.start_at = None, now + wait
        if child.process is None and now >= child.start_at:
            child.process = self._start(child, {**self._environment, **child.environment})
            child.started = now

    def _stop_all(self) -> bool:
        """Beat first, so that nothing new is hinted; then everything at once. Whether nobody had to be killed."""
        ends = time.monotonic() + self._grace
        beats = [child.process for child in self.children if child.process is not None and child.stops_first]
        others = [child.process for child in self.children if child.process is not None and not child.stops_first]
        _terminate(beats)
        _wait(beats, min(ends, time.monotonic() + _HEAD_START))
        _terminate(others)
        clean = _wait([*beats, *others], ends)
        for child in self.children:
            if child.process is not None and child.process.poll() is None:
                self._log(f"{child.name} did not stop within {self._grace:.0f} s and is killed")
        for process in [*beats, *others]:
            _kill_group(process)
        return clean


def _terminate(processes: list[Process]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()


def _wait(processes: list[Process], ends: float) -> bool:
    """Wait until they have ended, and no longer than this moment. Whether all of them have."""
    clean = True
    for process in processes:
        try:
            process.wait(max(0.1, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            clean = False
    return clean


def _kill_group(process: Process) -> None:
    """Whatever is left of a child's group: a pool process that outlived its worker."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def environment(settings: Settings) -> dict[str, str]:
    """The children's environment: the same settings, with the addresses of the servers spelled out."""
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "POLARS_MAX_THREADS": os.environ.get("POLARS_MAX_THREADS", "1"),
        "DISPATCHER_HOME": str(settings.home),
        "DISPATCHER_DATABASE_URL": settings.sqlalchemy_url.replace("postgresql+psycopg://", "postgresql://", 1),
        "DISPATCHER_BROKER_URL": settings.celery_broker_url,
    }


def _shared_memory(settings: Settings) -> Start:
    """Import here what the children need, under the settings that they will find."""
    config.settings.cache_clear()
    nursery.preload("dispatcher up", environment(settings))
    return fork


def run(settings: Settings, say: Callable[[str], None]) -> int:
    """Supervise until SIGTERM or Ctrl-C.

    Raises:
        DispatcherError: another program has one of its ports.
    """
    free_ports.require(settings)
    error_reports.require(settings)
    start = _shared_memory(settings) if sys.platform == "linux" else spawn
    grace = settings.provider_timeout + KILL_EXTRA
    revival, welcome = Revival(settings, say), Welcome(settings, say)
    supervisor = Supervisor(children(settings), environment(settings), grace, say, start, revival, welcome)
    keep_to_ourselves()
    make_lists_folder_if_possible(settings.home)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, supervisor.stop)
    embedded = settings.database_url is None
    say(worded("Database: embedded in {home}", home=settings.home) if embedded else "Database: configured")
    if settings.flower_port:
        user, _, _ = commands.flower_auth(settings).partition(":")
        where = "DISPATCHER_FLOWER_AUTH" if settings.flower_auth else settings.home / "run" / "flower.auth"
        say(
            worded(
                "Flower: http://127.0.0.1:{flower_port} (user {user}, password in {where})",
                flower_port=settings.flower_port,
                user=user,
                where=where,
            )
        )
    if settings.push_port:
        secret = "/…" if settings.push_secret else ""
        say(
            worded(
                "Replies are taken at http://{push_host}:{push_port}/push/smsmasivos{secret}",
                push_host=settings.push_host,
                push_port=settings.push_port,
                secret=secret,
            )
        )
    if settings.web_port:
        say(
            worded(
                "The API is at http://{web_host}:{web_port}/api/v1, its documentation at /api/v1/docs",
                web_host=settings.web_host,
                web_port=settings.web_port,
            )
        )
    if settings.plain_http:
        say("WARNING: plain HTTP to the provider: the key and every message travel unencrypted.")
    if settings.apikey is None:
        say("DISPATCHER_APIKEY is not set: nothing will be sent until it is.")
    say("Running. Ctrl-C stops.")
    code = supervisor.run()
    say("Stopped." if code == 0 else "Stopped; something had to be killed.")
    return code
