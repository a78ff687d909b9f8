"""What `make test` says at its end."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

TESTS = """
import pytest

@pytest.mark.slow
@pytest.mark.parametrize("case", range(3))
def test_slow(case):
    pass

def test_fast():
    pass
"""


def ending(folder: Path, *arguments: str) -> str:
    """The last line of a run of pytest with xdist."""
    (folder / "test_some.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-n",
            "1",
            "-p",
            "tests.left_out",
            "-q",
            "-q",
            "-p",
            "no:cacheprovider",
            *arguments,
        ],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-m", "not slow"), "3 slow tests are left out: `make test-all` runs them too."),
        (("-m", "not slow", "-k", "fast"), ""),
        (("-m", ""), ""),
    ],
    ids=["without the slow ones", "by name", "all"],
)
def test_a_run_that_leaves_slow_tests_out_says_how_many_and_what_runs_them(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    last = ending(tmp_path, *arguments)
    assert last == said or (not said and "left out" not in last)
