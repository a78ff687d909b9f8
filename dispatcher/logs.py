"""Lines of a log that others' words cannot forge, as text or as JSON. Who logs what is each process's own affair.

Our own lines are an event and what it is about: `accepted campaign=4 chunk=17 attempt=1 lines=1000`. As JSON the same
are fields. Written here, since a library would be as long: the lines are read apart, and nothing else is wanted of it.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, Literal

from dispatcher.domain.display import shown

Kind = Literal["text", "json"]
_NUMBERS = ("campaign", "chunk", "attempt", "account", "lines", "messages", "n", "status", "child", "seq")


def formatter(kind: Kind, plain: str) -> logging.Formatter:
    """The formatter of a process: `plain` is the form of its lines as text."""
    return JsonLine() if kind == "json" else OneLine(plain)


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


class JsonLine(logging.Formatter):
    """A record is one JSON object on one line: time, level, logger, process, event and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, without line ends."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            **fields(record.getMessage()),
        }
        if number := str(getattr(record, "request", "")).removeprefix(" request="):
            line["request"] = number
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, ensure_ascii=True)


def fields(message: str) -> dict[str, Any]:
    """The event of a line and its fields; a line of another form is its `message`.

    A value goes on until the next word with an equals sign.
    """
    event, _, rest = message.partition(" ")
    found: dict[str, Any] = {}
    name = None
    for word in rest.split(" "):
        key, equals, value = word.partition("=")
        if equals and key.isidentifier() and key.islower():
            name, found[key] = key, value
        elif name is None:
            return {"message": message}
        else:
            found[name] += f" {word}"
    if not event.isidentifier() or not found:
        return {"message": message}
    numbers = {key: int(found[key]) for key in _NUMBERS if found.get(key, "").isdecimal()}
    # What a line says of itself must not pass for what we say of it.
    clash = {"time", "level", "logger", "process", "event"} & found.keys()
    return {"event": event, **{f"{key}_" if key in clash else key: value for key, value in (found | numbers).items()}}
