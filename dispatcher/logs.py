"""Lines of a log that others' words cannot forge. Who logs what is each process's own affair."""

from __future__ import annotations

import logging

from dispatcher.domain.display import shown


class OneLine(logging.Formatter):
    """A record is one line; what belongs to it, such as a traceback, is indented below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, without what a terminal would obey and without line ends."""
        return shown(super().formatMessage(record))

    def formatException(self, ei) -> str:  # type: ignore[no-untyped-def]
        """The traceback."""
        return _below(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """The stack."""
        return _below(super().formatStack(stack_info))


def _below(text: str) -> str:
    return "\n".join(f"  {shown(line)}" for line in text.split("\n"))
