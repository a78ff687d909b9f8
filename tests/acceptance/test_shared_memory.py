"""What each child of `dispatcher up` imports when it starts is imported before the fork, so that it is there once."""

import subprocess
import sys

import pytest

from tests.processes import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks the children of `up`")

# A worker is looked at when it takes tasks, beat when it has sent one.
CHILD = """
import os, runpy, sys
from ops import nursery

nursery.preload("dispatcher parent", {})
before = set(sys.modules)

def look(**_):
    print(sorted(set(sys.modules) - before), flush=True)
    os._exit(0)

from celery import signals
signals.worker_ready.connect(look)
signals.after_task_publish.connect(look)
sys.argv[1:] = ["-q", "-A", "workers.app:app", *sys.argv[1:]]
runpy.run_module("celery", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "command",
    [
        "worker -Q tick -n tick@%h -P solo -c 1",
        "worker -Q submit -n submit@%h -P prefork -c 1",
        "worker -Q poll -n poll@%h -P threads -c 1",
        "beat",
    ],
)
def test_a_process_of_celery_imports_nothing_when_it_starts(command: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *command.split()],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines() == ["[]"], done.stdout + done.stderr[-2000:]
