"""Rows with quotes, split by hand so that one open quote does not swallow the rest of a file. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

MAX_LINES = 100
MAX_CHARACTERS = 64 * 1024
"""How far a quoted value may reach. Beyond that, its opening quote is taken for a mistake."""

_QUOTED = re.compile(r'"((?:[^"]|"")*+)"')


class Broken(Enum):
    """Why a text is not a row."""

    OPEN = "a quote is not closed"
    MALFORMED = "there is text between a closing quote and the separator"


def split(text: str, separator: str, *, strict: bool = False) -> list[str] | Broken:
    """Return the fields of one row. A quote opens a value only at its beginning; `""` inside is one quote.

    Text between a closing quote and the separator stays part of the value, unless `strict`.
    """
    fields = []
    at = 0
    while True:
        value = ""
        if text.startswith('"', at):
            quoted = _QUOTED.match(text, at)
            if quoted is None:
                return Broken.OPEN
            value = quoted[1].replace('""', '"')
            at = quoted.end()
        end = text.find(separator, at)
        tail = text[at:] if end < 0 else text[at:end]
        if value and tail and strict:
            return Broken.MALFORMED
        fields.append(value + tail)
        if end < 0:
            return fields
        at = end + 1


def assemble(lines: Sequence[str], start: int, separator: str, width: int) -> tuple[list[str], int] | Broken | None:
    """Return the row that opens a quote in `lines[start]` and closes it below, and how many lines it takes.

    The row must be well formed and have `width` fields: a quote left open by mistake is usually "closed" by
    the opening quote of another row. Broken when the lines do not make a row; None when they end too early.
    """
    text = lines[start]
    for taken in range(2, MAX_LINES + 1):
        if start + taken > len(lines):
            return None
        line = lines[start + taken - 1]
        text += "\n" + line
        if len(text) > MAX_CHARACTERS:
            return Broken.OPEN
        if '"' not in line:
            continue
        fields = split(text.rstrip("\r"), separator, strict=True)
        if fields is Broken.MALFORMED:
            return fields
        if isinstance(fields, list):
            fields = fit(fields, width)
            return (fields, taken) if len(fields) == width else Broken.MALFORMED
    return Broken.OPEN


def fit(fields: list[str], width: int) -> list[str]:
    """Drop empty fields beyond `width`: programs write separators for columns that have no heading."""
    end = len(fields)
    while end > width and not fields[end - 1].strip():
        end -= 1
    return fields[:end]
