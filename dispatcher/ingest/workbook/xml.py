"""XML of strangers, as a stream: no entities, no document types, nothing that grows while it is read.

The rules are those of defusedxml, which has no reader that can be fed block by block with few calls per cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

CHUNK = 1 << 16
MAX_TOKEN = 4 << 20
"""Bytes of one tag; expat keeps an unfinished one in memory."""

MAX_DEPTH = 64
"""Elements inside each other; expat keeps each that is open in memory."""
MAX_ELEMENTS = 500_000
"""Elements of a small part: styles, the list of sheets, the types of parts."""
MAX_MARKUP = 4 << 20
"""Bytes that belong to no row, cell or text, besides those that each of these may bring along."""
MARKUP_EACH = 1 << 10
BYTES_A_CHARACTER = 9
"""As a reference: &#x10000;"""

Attributes = dict[str, str]


class Unreadable(Exception):
    """The XML is broken, or of a kind that no spreadsheet writes."""


class Element(NamedTuple):
    """The start of an element, with local names."""

    tag: str
    parent: str
    attributes: Attributes


@dataclass
class Markup:
    """How much has been read that held nothing, in one part or in several."""

    spent: int = 0

    def spend(self, read: int, things: int, characters: int, before: int) -> None:
        """`read` bytes had these rows and cells, or strings, with these characters; `before` was spent by then.

        Raises Unreadable when there is more markup than a program writes: a tiny archive unpacks to minutes of it.
        """
        self.spent = before + max(0, read - things * MARKUP_EACH - characters * BYTES_A_CHARACTER)
        if self.spent > MAX_MARKUP:
            raise Unreadable("it is nearly all markup")


def local(name: str) -> str:
    """Return a name without its namespace."""
    return name.rsplit("\n", 1)[-1]


def feed(
    stream: BinaryIO,
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> Iterator[int]:
    """Parse `stream`, calling the handlers with `namespace\\nname`; yield the bytes so far after each chunk.

    It may be closed early.

    Raises Unreadable.
    """
    parser = expat.ParserCreate(namespace_separator="\n")
    parser.buffer_text = True
    parser.buffer_size = CHUNK
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    fed = 0
    try:
        while chunk := stream.read(CHUNK):
            fed += len(chunk)
            parser.Parse(chunk, False)
            if fed - parser.CurrentByteIndex > MAX_TOKEN:
                raise Unreadable("a tag has no end")
            yield fed
        parser.Parse(b"", True)
        yield fed
    except expat.ExpatError as error:
        raise Unreadable(expat.ErrorString(error.code)) from error


def elements(stream: BinaryIO) -> Iterator[Element]:
    """Yield the starts of all elements of a small part."""
    found: list[Element] = []
    path = [""]
    count = 0

    def start(name: str, attributes: Attributes) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS or len(path) > MAX_DEPTH:
            raise Unreadable("it is nearly all markup")
        tag = local(name)
        found.append(Element(tag, path[-1], {local(key): value for key, value in attributes.items()}))
        path.append(tag)

    def end(_: str) -> None:
        path.pop()

    for _ in feed(stream, start, end):
        yield from found
        found.clear()


def _refuse(*_: object) -> None:
    raise Unreadable("it declares a document type or entities")
