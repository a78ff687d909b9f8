"""Forks in place of programs: they are named, tied to their parent, and keep nothing else of it."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import wait_until
from tests.processes import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks the children of `up`")

# Holds a lock and a handler, as `up` does; then forks a child that runs a module, and waits for it.
PARENT = """
import atexit, fcntl, json, logging, signal, sys
from ops import nursery

lock = open("lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
signal.signal(signal.SIGTERM, lambda *_: print("the parent's handler", file=sys.stderr))
atexit.register(print, "the parent's exit function", file=sys.stderr)
logging.basicConfig(level=logging.ERROR)
nursery.preload("dispatcher parent", {}, ["json"])
child = nursery.fork("dispatcher child", "child", ["one", "--two"], {"GIVEN": "it"})
print(child.pid, flush=True)
sys.exit(child.wait())
"""
CHILD = """
import atexit, gc, logging, os, sys, time

atexit.register(print, "its own exit function", file=sys.stderr)
print(__name__, sys.argv[1:], os.environ["GIVEN"], logging.root.handlers, file=sys.stderr)
print("frozen" if gc.get_freeze_count() > 1000 and gc.isenabled() else "not frozen", file=sys.stderr)
print("on stdout")
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start a parent whose child does this at its end."""
    started: list[subprocess.Popen[str]] = []

    def one(then: str) -> subprocess.Popen[str]:
        (tmp_path / "child.py").write_text(CHILD + then)
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PARENT],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[0]

    yield one
    for process in started:
        process.kill()
        process.communicate()


def test_a_child_runs_its_module_as_python_m_would_and_ends_with_its_exit_code(
    start: Callable[[str], subprocess.Popen[str]],
) -> None:
    out, err = start("sys.exit(7)").communicate(timeout=30)
    assert err.splitlines()[:2] == ["__main__ ['one', '--two'] it []", "frozen"]
    assert "its own exit function" in err
    assert err.count("the parent's exit function") == 1
    assert out.count("\n") == 1  # the parent's own line
    assert "on stdout" in err


def test_the_exit_codes_are_those_of_python(start: Callable[[str], subprocess.Popen[str]]) -> None:
    parent = start("raise ValueError('broken')")
    _, err = parent.communicate(timeout=30)
    assert (parent.returncode, "ValueError: broken" in err) == (1, True)


def test_a_child_holds_no_lock_of_its_parent_has_its_name_and_its_own_group(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    parent = start("time.sleep(60)")
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    wait_until(lambda: child.cmdline()[0] == "dispatcher child", 10, "its name")
    assert os.getpgid(child.pid) == child.pid
    assert child.environ()["PYTHONPATH"].startswith(str(ROOT))
    opened = [each.path for each in child.open_files()]
    assert str(tmp_path / "lock") not in opened
    child.terminate()
    _, err = parent.communicate(timeout=30)
    assert parent.returncode == 256 - signal.SIGTERM
    assert "the parent's handler" not in err


def test_a_child_is_told_to_stop_when_its_parent_is_killed(
    start: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    parent = start("time.sleep(60)")
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10, "the child ends")
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_no_child_is_made_beside_a_running_thread() -> None:
    code = """
import threading
from ops import nursery
threading.Thread(target=threading.Event().wait, daemon=True).start()
nursery.fork("dispatcher child", "this", [], {})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert "RuntimeError: 2 threads run here" in done.stderr
    assert done.returncode == 1


def test_what_the_children_share_starts_no_thread_and_holds_nothing_that_few_need() -> None:
    code = """
import os, sys
from datetime import date
from dispatcher.domain import days_off
from ops import nursery
nowhere = {"DISPATCHER_DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "DISPATCHER_BROKER_URL": "redis://127.0.0.1:1/0"}
nursery.preload("dispatcher parent", nowhere)
print(len(os.listdir("/proc/self/task")), [each for each in ("polars", "zeep", "lxml") if each in sys.modules])
next_may_day = date(date.today().year + 1, 5, 1)
print(days_off.names_of(next_may_day, next_may_day)[1:], "holidays" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["1 []", "['holidays'] False"], done.stderr[-2000:]
