"""Crash points name functions of the product: one that was renamed must not leave a scenario without its crash."""

import json
import subprocess
import sys

from ops.chaos.points import POINTS

INSTALL_EACH = """
import json
from ops.chaos.points import POINTS

missing = {}
for point, install in POINTS.items():
    try:
        install(lambda: None)
    except (AttributeError, KeyError) as error:
        missing[point] = str(error)
print(json.dumps(missing))
"""


def test_each_crash_point_finds_the_function_that_it_wraps() -> None:
    assert POINTS
    # In a process of its own: what a point wraps stays wrapped.
    answer = subprocess.run([sys.executable, "-c", INSTALL_EACH], capture_output=True, text=True, check=True).stdout
    assert json.loads(answer) == {}
