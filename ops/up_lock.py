"""One `dispatcher up` for a home. The kernel releases the lock when its process dies, however it dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatcher.errors import DispatcherError, UsageError
from dispatcher.i18n.words import worded


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold the lock of a home, with the number of this process in it.

    Raises:
        DispatcherError: another process holds it; the message names that process.
        UsageError: the home is no place where the lock could be.
    """
    path = home / "run" / "up.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # No child inherits it, so none can hold the lock after this process.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UsageError(
            worded("DISPATCHER_HOME {home}: {strerror}.", home=home, strerror=error.strerror),
            hint="Name a folder that this user may write to.",
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode().strip() or "unknown"
            raise DispatcherError(
                worded("`dispatcher up` runs for {home} already: process {pid}.", home=home, pid=pid),
                hint="Stop that one first, or give this one a DISPATCHER_HOME of its own.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
