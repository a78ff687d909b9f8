"""Checks run side by side, so that the doctor answers in seconds whatever hangs.

No library bounds all of its waits: a name that no resolver answers, a server that accepts and says nothing, a handshake
that never ends. So each check has a thread of its own, and one that does not end in time is left behind. It is a daemon
thread, so it does not hold up the exit.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import NamedTuple

from dispatcher.db.errors import ASK_DOCTOR, DRIVER_ERRORS, translate
from dispatcher.errors import DispatcherError
from dispatcher.i18n.words import translated, worded

LIMIT = 3.0
"""Seconds that a check may take."""

Examine = Callable[[], str]
"""Says what was found; raises what is wrong."""


class Check(NamedTuple):
    """One finding."""

    name: str
    ok: bool
    detail: str


def run(checks: Mapping[str, Examine], limit: float = LIMIT) -> list[Check]:
    """Make every check at once, each within `limit` seconds. The findings have the order of `checks`."""
    found: dict[str, Check] = {}

    def make(name: str, examine: Examine) -> None:
        found[name] = check(name, examine)

    threads = [
        threading.Thread(target=copy_context().run, args=(make, name, examine), name=f"check-{name}", daemon=True)
        for name, examine in checks.items()
    ]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + limit
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    silent = worded("did not answer within {limit:g} s", limit=limit)
    return [found.get(name) or Check(name, False, silent) for name in checks]


def check(name: str, examine: Examine) -> Check:
    """One finding; whatever is raised is a finding too."""
    try:
        return Check(name, True, examine())
    except DispatcherError as error:
        return failed(name, error)
    except DRIVER_ERRORS as error:
        return failed(name, translate(error))
    except Exception as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        return Check(name, False, first[0][:300])


def failed(name: str, error: DispatcherError) -> Check:
    """The finding that an error of ours makes: what is wrong, and what to do about it."""
    hint = (
        None if error.hint is None or error.hint == translated(ASK_DOCTOR) or error.hint in str(error) else error.hint
    )
    return Check(name, False, " ".join(filter(None, (str(error), hint))))
