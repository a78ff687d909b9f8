"""What `dispatcher up` forks is imported before: nothing of it may start a thread, or no fork would be safe."""

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="only there does `up` fork")
@pytest.mark.parametrize("module", ["dispatcher.web.web_app", "dispatcher.web.push_app", "ops.supervisor"])
def test_a_listener_s_import_starts_no_threads(module: str) -> None:
    look = f"import os, sys, {module}; print(len(os.listdir('/proc/self/task')), 'polars' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]
