"""The folders below DISPATCHER_HOME that people and commands put files into."""

import logging
from pathlib import Path

from dispatcher.errors import UsageError

log = logging.getLogger(__name__)


def lists(home: Path) -> Path:
    """Where other services put the lists that their tasks name."""
    return home / "lists"


def spool(home: Path) -> Path:
    """Where a list from stdin is kept while it is read."""
    return home / "spool"


def make_lists_folder(home: Path) -> None:
    """Make the folder `lists`, so that a list can be copied there before the first task.

    Raises:
        UsageError: the home is no place where it could be.
    """
    try:
        lists(home).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"DISPATCHER_HOME {home}: {error.strerror}.", hint="Name a folder that this user may write to."
        ) from None


def make_lists_folder_if_possible(home: Path) -> None:
    """Like `make_lists_folder`, but only log a problem: the process can work without the folder."""
    try:
        make_lists_folder(home)
    except UsageError as error:
        log.warning("no_lists_folder %s", error)
