"""Where the embedded servers run: an environment without our secrets, a socket where nobody else put a folder first."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded

_SOCKET_PATH_LIMIT = 100  # bytes; sun_path holds 104 on macOS
_SERVERS_NEED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "PGDATA")
_SERVERS_NEED_TOO = ("LC_", "LD_", "DYLD_", "PGSERVER_")


@contextmanager
def without_secrets() -> Iterator[None]:
    """Start a server in this block: it inherits no key, no password, and nothing else that it has no use for.

    Postgres runs as another user where root starts it, and lets any superuser of the database read its environment.
    """
    taken = {
        name: value
        for name, value in os.environ.items()
        if name not in _SERVERS_NEED and not name.startswith(_SERVERS_NEED_TOO)
    }
    for name in taken:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(taken)


def socket_path(wanted: Path) -> Path:
    """`wanted`, or a short path of the same meaning when a socket's name may not be that long.

    Raises:
        UsageError: somebody else made the folder of the short path.
    """
    if len(os.fsencode(wanted)) <= _SOCKET_PATH_LIMIT:
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"dispatcher-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UsageError(
            worded("{folder} is not a folder of this user alone.", folder=folder),
            hint="Remove it, or name a DISPATCHER_HOME with a shorter path.",
        )
    return folder / wanted.name
