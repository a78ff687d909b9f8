"""XML of strangers, as a stream: no entities, no document types, nothing that grows while it is read.

The rules are those of defusedxml, which has no reader that can be fed block by block with few calls per cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

CHUNK = 1 << 16
MAX_TOKEN = 4 << 20
"""Bytes of one tag; expat keeps an unfinished one in memory."""

Attributes = dict[str, str]


class Unreadable(Exception):
    """The XML is broken, or of a kind that no spreadsheet writes."""


class Element(NamedTuple):
    """The start of an element, with local names."""

    tag: str
    parent: str
    attributes: Attributes


def local(name: str) -> str:
    """Return a name without its namespace."""
    return name.rsplit("\n", 1)[-1]


def feed(
    stream: BinaryIO,
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Parse `stream`, calling the handlers with `namespace\\nname`; yield after each chunk, to be closed early.

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
            yield
        parser.Parse(b"", True)
        yield
    except expat.ExpatError as error:
        raise Unreadable(expat.ErrorString(error.code)) from error


def elements(stream: BinaryIO) -> Iterator[Element]:
    """Yield the starts of all elements of a small part."""
    found: list[Element] = []
    path = [""]

    def start(name: str, attributes: Attributes) -> None:
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
