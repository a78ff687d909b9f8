"""The folders below DISPATCHER_HOME that people and commands put files into."""

import logging
from pathlib import Path

from dispatcher.errors import UsageError

log = logging.getLogger(__name__)


def inbox(home: Path) -> Path:
    """Where other services put the lists that their tasks name."""
    return home / "inbox"


def spool(home: Path) -> Path:
    """Where a list from stdin stands while it is read."""
    return home / "spool"


def make_inbox(home: Path) -> None:
    """Make the inbox, so that a list can be copied there before the first task.

    Raises:
        UsageError: the home is no place where it could be.
    """
    try:
        inbox(home).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"DISPATCHER_HOME {home}: {error.strerror}.", hint="Name a folder that this user may write to."
        ) from None


def make_inbox_if_possible(home: Path) -> None:
    """As `make_inbox` for a process that can do its work without one: a complaint in the log instead."""
    try:
        make_inbox(home)
    except UsageError as error:
        log.warning("no_inbox %s", error)
