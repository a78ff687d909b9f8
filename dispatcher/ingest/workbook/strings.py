"""The shared strings of a workbook: kept as bytes, a quarter of what Python strings would take."""

from __future__ import annotations

import re
from array import array
from typing import BinaryIO

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest.workbook.xml import MAX_DEPTH, Attributes, Markup, Unreadable, feed, local

MAX_STRINGS = 8_000_000
MAX_BYTES = 192 << 20
MAX_CELL = 1 << 20
"""Characters of one cell; a spreadsheet takes 32,767."""

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class SharedStrings:
    """Strings by their number."""

    def __init__(self) -> None:
        """Start empty."""
        self._bytes = bytearray()
        self._ends = array("I", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        if number < 0:
            raise IndexError(number)
        return self._bytes[self._ends[number] : self._ends[number + 1]].decode("utf-8", "surrogatepass")

    def append(self, text: str) -> None:
        """Add a string."""
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))


def read_strings(stream: BinaryIO, name: str) -> SharedStrings:
    """Read the part of the shared strings; UsageError when it holds more than a list does."""
    strings = SharedStrings()
    pieces: list[str] = []
    inside = phonetic = False
    length = characters = depth = 0

    def start(tag: str, attributes: Attributes) -> None:
        nonlocal inside, phonetic, length, characters, depth
        depth += 1
        if depth > MAX_DEPTH:
            raise Unreadable("it is nearly all markup")
        tag = local(tag)
        if tag == "t":
            inside = not phonetic
        elif tag == "si":
            pieces.clear()
            characters += length
            length = 0
        elif tag == "rPh":
            phonetic = True
        elif tag == "sst" and int(attributes.get("uniqueCount", "0") or 0) > MAX_STRINGS:
            raise too_much(name)

    def end(tag: str) -> None:
        nonlocal inside, phonetic, depth
        depth -= 1
        tag = local(tag)
        if tag == "t":
            inside = False
        elif tag == "si":
            strings.append(unescaped("".join(pieces)))
            if len(strings) > MAX_STRINGS or len(strings._bytes) > MAX_BYTES:
                raise too_much(name)
        elif tag == "rPh":
            phonetic = False

    def text(value: str) -> None:
        nonlocal length
        if inside:
            length += len(value)
            if length > MAX_CELL:
                raise long_cell(name)
            pieces.append(value)

    markup = Markup()
    for read in feed(stream, start, end, text):
        markup.spend(read, len(strings), characters + length, 0)
    return strings


def unescaped(text: str) -> str:
    """Return `text` with `_x000D_` as the character that it stands for."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def too_much(name: str) -> UsageError:
    """Say that a workbook has more distinct texts than a list has."""
    return UsageError(
        worded(
            "{name} has more than {max_strings:,} different texts, or more than {limit} MiB of them",
            name=name,
            max_strings=MAX_STRINGS,
            limit=MAX_BYTES >> 20,
        ),
        hint=translated("delete the columns that the messages do not need, or save the list as CSV UTF-8"),
    )


def long_cell(name: str) -> UsageError:
    """Say that a cell holds more than a cell can hold."""
    return UsageError(
        worded("{name} has a cell of more than {max_cell:,} characters", name=name, max_cell=MAX_CELL),
        hint=translated("delete it: no message needs so long a value"),
    )
