"""SOAP envelopes as bytes: characters that XML cannot carry, and words where a result was due. Pure."""

from __future__ import annotations

import html
import re

_DECLARED = re.compile(rb"\s*<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
# Python has many more, which are slow, or fail in ways of their own: punycode, idna, undefined.
_OF_XML = re.compile(r"utf-?(?:8|16)|us-ascii|ascii|latin-?1|iso-8859-[0-9]{1,2}|(?:windows-|cp)12?5[0-9]")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:[xX]([0-9A-Fa-f]{1,20})|([0-9]{1,20}));")
# No tag holds another "<", so none is looked for beyond one: what never ends would be read again from each of them.
_TAG = re.compile(r"<[^<>]*>")
_BODY_BEGINS = re.compile(r"<(?:[\w-]+:)?Body\b[^<>]*>")
_BODY_ENDS = re.compile(r"</(?:[\w-]+:)?Body>")
_ENDLESS_REFERENCE = re.compile(r"&#[0-9]{8,}|&#[xX][0-9A-Fa-f]{8,}")  # Python refuses to read 4,300 digits
_NIL = re.compile(r"\bnil\s*=\s*[\"'](?:true|1)[\"']")
_LOST = "\ufffd"


def repaired(envelope: bytes) -> tuple[bytes, int]:
    """`envelope` with a replacement for every character that XML 1.0 forbids, and how many there were.

    .NET writes the control characters of a person's text as references (`&#x1A;`), which no reader of XML accepts. A
    control character becomes a blank, so that a word beside it is still read; any other one becomes U+FFFD.
    """
    encoding, text, lost = _decoded(envelope)

    def reference(found: re.Match[str]) -> str:
        nonlocal lost
        number = int(found[1], 16) if found[1] else int(found[2])
        if _allowed(number):
            return found[0]
        lost += 1
        return _replacement(number)

    def raw(found: re.Match[str]) -> str:
        nonlocal lost
        lost += 1
        return _replacement(ord(found[0]))

    text = _FORBIDDEN.sub(raw, _REFERENCE.sub(reference, text))
    return (text.encode(encoding, "xmlcharrefreplace"), lost) if lost else (envelope, 0)


def has_result(envelope: bytes, name: str) -> bool:
    """Whether an element `name` is there and is not null; an empty one is there."""
    _, text, _ = _decoded(envelope)
    found = _opening(name).search(text)
    return found is not None and not _NIL.search(found[1])


def _opening(name: str) -> re.Pattern[str]:
    return re.compile(rf"<(?:[\w-]+:)?{name}\b([^<>]*)>")


def words(envelope: bytes) -> str:
    """What the envelope's body says outside of its tags, on one line."""
    _, text, _ = _decoded(envelope)
    begin = _BODY_BEGINS.search(text)
    ends = [end.start() for end in _BODY_ENDS.finditer(text, begin.end())] if begin else []
    return " ".join(unescaped(_TAG.sub(" ", text[begin.end() : ends[-1]] if begin and ends else "")).split())


def unescaped(text: str) -> str:
    """Character references replaced; a number that is none of a character's stays as it came."""
    return html.unescape(_ENDLESS_REFERENCE.sub(lambda found: f"&amp;{found[0][1:]}", text))


def _decoded(envelope: bytes) -> tuple[str, str, int]:
    """The encoding, the text, and how many characters could not be decoded."""
    declared = _DECLARED.match(envelope)
    encoding = declared[1].decode("ascii").lower() if declared else "utf-8"
    if not _OF_XML.fullmatch(encoding):  # an encoding that does not exist is no character's fault
        encoding = "latin-1"
    try:
        return encoding, envelope.decode(encoding), 0
    except LookupError:
        return "latin-1", envelope.decode("latin-1"), 0
    except UnicodeDecodeError:
        text = envelope.decode(encoding, "replace")
        return encoding, text, text.count(_LOST)


def _allowed(number: int) -> bool:
    return (
        number in (0x9, 0xA, 0xD)
        or 0x20 <= number <= 0xD7FF
        or 0xE000 <= number <= 0xFFFD
        or 0x10000 <= number <= 0x10FFFF
    )


def _replacement(number: int) -> str:
    return " " if number < 0x20 else _LOST
