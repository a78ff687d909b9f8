"""DISPATCHER_HOME: the folders that people and commands put files into, and that nobody else may read them.

Lists, exports, invalid rows and the embedded servers' files hold telephone numbers and texts.
"""

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded

log = logging.getLogger(__name__)


def lists(home: Path) -> Path:
    """Where other services put the lists that their tasks name."""
    return home / "lists"


def spool(home: Path) -> Path:
    """Where a list from stdin is kept while it is read."""
    return home / "spool"


def keep_to_ourselves() -> None:
    """Have this process, and every one that it starts, make files and folders that their owner alone may read."""
    os.umask(0o077)


def tighten(home: Path) -> None:
    """Take from the group and from others what an earlier version, or a copy, has given them in `home`."""
    for path, wanted in _open_to_others(home):
        with suppress(OSError):  # another user's: the doctor says so
            path.chmod(wanted)


def open_to_others(home: Path) -> list[Path]:
    """What of `home` the group or others may read or write."""
    return [path for path, _ in _open_to_others(home)]


def _open_to_others(home: Path) -> Iterator[tuple[Path, int]]:
    """Each such path with the mode that it should have.

    Postgres keeps its own folder closed, and as root it runs as another user, who must be able to pass through.
    """
    # A folder that everybody may write to, such as /tmp, is not ours to close.
    if not home.is_dir() or home.stat().st_mode & stat.S_ISVTX:
        return
    passing = 0o011 if os.geteuid() == 0 else 0
    if (mode := stat.S_IMODE(home.stat().st_mode)) & 0o077 & ~passing:
        yield home, mode & (0o700 | passing)
    for folder, folders, files in os.walk(home):
        if Path(folder) == home and "postgres" in folders:
            folders.remove("postgres")
        for name in (*folders, *files):
            path = Path(folder, name)
            with suppress(OSError):
                found = path.lstat().st_mode
                if (stat.S_ISREG(found) or stat.S_ISDIR(found)) and found & 0o077:
                    yield path, stat.S_IMODE(found) & 0o700


def make_lists_folder(home: Path) -> None:
    """Make the folder `lists`, so that a list can be copied there before the first task; nobody else may read `home`.

    Raises:
        UsageError: the home is no place where it could be.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lists(home).mkdir(mode=0o700, exist_ok=True)
        tighten(home)
    except OSError as error:
        raise UsageError(
            worded("DISPATCHER_HOME {home}: {strerror}.", home=home, strerror=error.strerror),
            hint="Name a folder that this user may write to.",
        ) from None


def make_lists_folder_if_possible(home: Path) -> None:
    """Like `make_lists_folder`, but only log a problem: the process can work without the folder."""
    try:
        make_lists_folder(home)
    except UsageError as error:
        log.warning("no_lists_folder %s", error)
