"""SIGTERM, taken like Ctrl-C. Imports nothing: it is set up before the first command is imported."""

import signal
from typing import Any, NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM, taken like Ctrl-C: what a command started is stopped before it ends."""


def end_on_sigterm() -> None:
    """Have SIGTERM raise `Terminated`, once; `up` and `api` have handlers of their own while they run."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break the cleaning up
    raise Terminated
