"""One call to the provider: its time limit, the check before its first byte, and how far it got."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dispatcher.errors import NotDelivered
from dispatcher.provider.deadline import Deadline, now

CONNECT_LIMIT = 10.0
"""Seconds that looking up the name and connecting may take, and never more than half of the call's total.

What is spent on connecting is missing when the answer is due, and a late answer is in doubt.
"""


@dataclass(slots=True)
class Call:
    """One exchange with the provider, or with a mail server.

    `began` is the moment (`deadline.now()`) right before the first byte of the request was handed to the
    system, None while nothing can have left. `sent` is True once the whole request was handed over.
    `stopped` is what ended the call on our side before its first byte.
    """

    timeout: float
    guard: Callable[[], None] | None = None
    deadline: Deadline = field(init=False)
    began: float | None = None
    sent: bool = False
    stopped: BaseException | None = None

    def __post_init__(self) -> None:
        """Start the clock."""
        self.deadline = Deadline(self.timeout)

    def connecting(self) -> Deadline:
        """The time for connecting, from now on."""
        return Deadline(min(CONNECT_LIMIT, self.timeout / 2, max(self.deadline.remaining(), 0.0)))

    def check(self) -> None:
        """Run the guard right before the first byte; `Stopped` when it, or the deadline, says no."""
        try:
            if self.guard is not None:
                self.guard()
            if self.deadline.remaining() <= 0:
                raise NotDelivered("The time for the call was over before its first byte left.", reason="deadline")
        except BaseException as error:
            self.stopped = error
            raise Stopped from error
        self.began = now()


class Stopped(BaseException):
    """Carries a stop through the library that makes the call, past every `except Exception`.

    `Call.stopped` has the cause.
    """
