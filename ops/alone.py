"""One process at a time in a folder that each of them empties."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatcher.errors import DispatcherError


@contextmanager
def alone(where: Path, complaint: str, hint: str) -> Iterator[None]:
    """Hold the lock beside a folder. Raises `DispatcherError` with these words when another process has it."""
    where.parent.mkdir(parents=True, exist_ok=True)
    with where.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DispatcherError(complaint, hint=hint) from None
        yield
