"""Lines of a log that others' words cannot forge, as text or as JSON. Who logs what is each process's own affair.

Our own lines are an event and what it is about: `accepted campaign=4 chunk=17 attempt=1 lines=1000`. As JSON the same
are fields. Written here, since a library would be as long: the lines are read apart, and nothing else is wanted of it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from dispatcher import tracebacks
from dispatcher.domain.display import shown

Kind = Literal["text", "json"]
OURS = ("dispatcher", "workers", "ops")
"""The roots of our own loggers."""
_SUBJECT = re.compile(r"[a-z][a-z_]*(?: [a-z_]+=\d+)*|[a-z_]+=\d+(?: [a-z_]+=\d+)*")
_NUMBERS = (
    "campaign",
    "chunk",
    "attempt",
    "account",
    "lines",
    "messages",
    "n",
    "status",
    "child",
    "seq",
    "ok",
    "simulated",
    "rejected",
    "other",
)


def formatter(kind: Kind, plain: str) -> logging.Formatter:
    """The formatter of a process: `plain` is the form of its lines as text."""
    return JsonLine() if kind == "json" else OneLine(plain)


class OneLine(logging.Formatter):
    """A record is one line; what belongs to it, such as a traceback, is indented below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, without what a terminal would obey and without line ends."""
        return shown(super().formatMessage(record))

    def formatException(self, ei) -> str:  # type: ignore[no-untyped-def]
        """The traceback, without what its errors quote."""
        return _below(tracebacks.formatted(ei[1]))

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
            **said(record),
        }
        if number := str(getattr(record, "request", "")).removeprefix(" request="):
            line["request"] = number
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, ensure_ascii=True)

    def formatException(self, ei) -> str:  # type: ignore[no-untyped-def]
        """The traceback, without what its errors quote."""
        return tracebacks.formatted(ei[1])


class WithoutQuotes(logging.Filter):
    """Lets every record pass; an error among its values is shown without what it quotes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """True."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                tracebacks.words(each) if isinstance(each, BaseException) else each for each in record.args
            )
        elif isinstance(record.args, dict) and record.exc_info and record.exc_info[1] and "exc" in record.args:
            # Celery's own line of a task that failed has the error's words among its values.
            record.args = {**record.args, "exc": tracebacks.words(record.exc_info[1]), "traceback": ""}
        return True


def said(record: logging.LogRecord) -> dict[str, Any]:
    """The event of a record of ours and its fields; the `message` of any other."""
    if record.name.split(".")[0] in OURS and isinstance(record.msg, str) and isinstance(record.args, tuple | None):
        return fields(record.msg, record.args or ())
    return {"message": record.getMessage()}


def fields(template: str, values: Sequence[object] = ()) -> dict[str, Any]:
    """The event of a line and its fields; a line of another form is its `message`.

    Which fields there are is read from the template of a record: a value, such as the provider's words, can neither add
    one nor replace one.
    """
    left, event, name, found = list(values), "", "", dict[str, str]()
    for word in template.split(" "):
        key, equals, form = word.partition("=")
        if not (equals and key.isidentifier() and key.islower()):
            key, form = "", word
        mine, left = left[: form.count("%")], left[form.count("%") :]
        try:
            value = form % tuple(mine) if mine else form
        except (TypeError, ValueError):
            return _message(template, values)
        if key:
            name, found[key] = key, value
        elif name and not mine:
            found[name] += f" {value}"
        elif _SUBJECT.fullmatch(value):  # an event, a label such as `campaign=4 chunk=17`, or both
            for part in value.split():
                key, equals, number = part.partition("=")
                if equals:
                    found[key] = number
                elif event:
                    return _message(template, values)
                else:
                    event = part
        else:
            return _message(template, values)
    if not event or left:
        return _message(template, values)
    numbers = {key: int(found[key]) for key in _NUMBERS if found.get(key, "").isdecimal()}
    # What a line says of itself must not pass for what we say of it.
    clash = {"time", "level", "logger", "process", "event"} & found.keys()
    return {"event": event, **{f"{key}_" if key in clash else key: value for key, value in (found | numbers).items()}}


def _message(template: str, values: Sequence[object]) -> dict[str, Any]:
    return {"message": template % tuple(values) if values else template}
