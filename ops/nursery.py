"""The children of `dispatcher up` as forks of one process that has imported everything: what is shared is there once.

A fork keeps the parent's pages for as long as nobody writes to them. `preload` imports what any child needs, and keeps
the garbage collector away from it; `fork` makes a child, which then runs its module as `python -m` would. Nothing else
of the parent is left in a child: no open file, no handler of a signal, no log, no exit function.

On Linux alone: macOS' own libraries do not survive a fork. There, and in containers, each command runs by itself.
"""

import atexit
import gc
import logging
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

import setproctitle

from dispatcher.domain import days_off
from ops import leash

_MODULES = (
    "billiard.heap",
    "billiard.popen_fork",
    "billiard.sharedctypes",
    "billiard.synchronize",
    "celery.__main__",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.solo",
    "celery.concurrency.thread",
    "celery.utils.debug",
    "celery.utils.static",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.strategy",
    "fastapi.telemetry._runtime",
    "flower.command",
    "tornado.platform.asyncio",
    "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio",
    "uvicorn.loops.auto",
    "uvicorn.protocols.websockets.auto",
    "workers.app",
    "workers.tasks",
    "dispatcher.cli.system",
    "dispatcher.web.push_app",
    "dispatcher.web.web_app",
)
"""What the children run, with all that these import, and what they name by a string and import when they start. Missing
are polars, which starts threads when it is imported, so that a fork would have its memory without them, and what few
need (zeep) or need once (holidays)."""

_LOOK_EVERY = 0.02  # seconds


def find_command_line() -> None:
    """Find where titles are written, before anything replaces the first variable of the environment.

    It is found from that one. Starting an embedded server hides variables from it, and so replaces them all.
    """
    # It writes over the command line alone: the environment behind it stays readable.
    os.environ["SPT_NOENV"] = "1"
    setproctitle.getproctitle()


def preload(title: str, environment: Mapping[str, str], modules: Sequence[str] = _MODULES) -> None:
    """Import what the children need, once, in the environment that they will have. `ps` shows this process by `title`.

    Celery's app, for one, reads its settings from it when it is imported.
    """
    find_command_line()
    setproctitle.setproctitle(title)
    os.environ.update({name: value for name, value in environment.items() if os.environ.get(name) != value})
    gc.disable()
    for name in modules:
        import_module(name)
    if "workers.app" in modules:
        _finalise()
    gc.collect()
    # No later collection looks at what is here now, which would write to each object, and so copy it in each child.
    gc.freeze()
    gc.enable()


def _finalise() -> None:
    """Make what every process of Celery would make of the app, and what every claim asks of the calendar."""
    app = import_module("workers.app").app
    app.finalize()
    app.loader.import_default_modules()
    # Each makes its part when it is first looked at; the last one imports the transport, and connects nothing.
    for look in (app.amqp, app.control, app.events, app.log, app.connection_for_read().transport):
        assert look is not None
    days_off.read_apart()


class Forked:
    """A child, with what the supervisor asks of a `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        """Take the number of a child of this process."""
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it runs still.
        """
        began = time.monotonic()
        while (code := self.poll()) is None:
            if timeout is not None and time.monotonic() > began + timeout:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(_LOOK_EVERY)
        return code

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def fork(title: str, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Forked:
    """Run `python -m module arguments…` in a child with a group of its own; `ps` shows it by its title."""
    parent = os.getpid()
    if (threads := len(os.listdir("/proc/self/task"))) > 1:
        raise RuntimeError(f"{threads} threads run here: a fork may find their locks taken for ever")
    sys.stdout.flush()
    sys.stderr.flush()
    # No signal may find the parent's handlers in the child.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        _live(parent, before, title, module, arguments, environment)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    # Here and in the child: whoever comes first, the group is there before anybody asks for it.
    os.setpgid(pid, pid)
    return Forked(pid)


def _live(
    parent: int,
    mask: set[int | signal.Signals],
    title: str,
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
) -> NoReturn:
    """All that the child ever does. It never returns into the parent's frames."""
    code = 1
    try:
        _leave_behind(parent, mask)
        os.environ.update(environment)
        setproctitle.setproctitle(title)
        code = _run(module, arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _leave_behind(parent: int, mask: set[int | signal.Signals]) -> None:
    os.setpgid(0, 0)
    for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(one, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    leash.put_on(parent)
    # Locks among them, which the kernel keeps for as long as anybody has the file open. Their objects stay alive in the
    # frames above, so that none closes a number which the child has given to another file.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # stdout is the command's own answer
    for number in [int(name) for name in os.listdir("/proc/self/fd")]:
        if number > 2:
            try:
                os.close(number)
            except OSError:  # the listing's own
                continue
    atexit._clear()
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)


def _run(module: str, arguments: Sequence[str]) -> int:
    """The exit code that Python would end with."""
    sys.argv[1:] = arguments
    # It was imported on purpose, for all children at once.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy|<frozen runpy>")
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing does in its forks
        atexit._run_exitfuncs()
    return 0
