"""Hints that come expired, and what a worker whose own clock is wrong does about it: it ends.

A hint expires by the clock of whoever takes it. A worker whose clock is minutes ahead of the sender's drops them all,
and takes them from the workers that are right: whoever took the last hint from Redis has waited longest when the next
one comes, a second later, so it gets that one too. It ends, so that the others have work; started again, it ends again.
"""

import logging
from typing import Any

from celery import Task
from celery.worker import state
from celery.worker.request import Request

from dispatcher import config
from dispatcher.maintenance import host_clock

log = logging.getLogger(__name__)

ENOUGH = 3
"""Expired hints in a row after which a worker looks at its own clock."""
_FAILED = 1


class _Watch:
    """Counts the expired hints of this process that came one after the other."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def note(self, expired: bool) -> None:
        """One more hint was taken."""
        self._in_a_row = self._in_a_row + 1 if expired else 0
        if self._in_a_row == ENOUGH:
            self._look()

    def _look(self) -> None:
        difference = host_clock.compare_now(config.settings())
        if difference is None:
            self._in_a_row = 0  # look again after the next ones
        elif difference > host_clock.TOLERANCE:
            log.error(
                "worker_ends host_minus_database=%+.0fs why=%s",
                difference.total_seconds(),
                "this machine's clock is ahead, so every hint comes expired; set the clock right",
            )
            state.should_stop = _FAILED
        else:
            log.warning("hints_expired why=%s", "they waited for a worker, or beat's clock is behind")


_watch = _Watch()


class QuietRequest(Request):
    """A task as a worker takes it, whose events tell of an error only what quotes nobody: Flower shows them."""

    def send_event(self, type: str, **fields: Any) -> None:
        """As Celery does, less the words and the traceback of an error, which the log has."""
        if "exception" in fields:
            fields |= {"exception": str(fields["exception"]).partition("(")[0], "traceback": "see the log"}
        super().send_event(type, **fields)


class HintRequest(QuietRequest):
    """A hint as a worker takes it."""

    def maybe_expire(self) -> Any:
        """As Celery does, and counted."""
        expired = super().maybe_expire()
        _watch.note(bool(expired))
        return expired


class HintTask(Task):
    """A task that is a hint: losing it changes nothing, the next tick finds the same."""

    abstract = True
    Request = HintRequest
