"""A real PgBouncer before a test's database; without one the test is skipped here, and fails in CI."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.chaos import pgbouncer


@contextmanager
def running(database_url: str, folder: Path, *, ignored: str = "extra_float_digits") -> Iterator[str]:
    """As `ops.chaos.pgbouncer.running`."""
    if why := pgbouncer.missing():
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    with pgbouncer.running(database_url, folder, ignored=ignored) as url:
        yield url
