"""Bytes to text. A list is UTF-8 or, from older programs, Windows-1252; some lists mix both. Pure."""

from __future__ import annotations

import codecs
import re

# In a Windows-1252 file, these can only be UTF-8 that was pasted in: no Spanish word has Ã or Â before a
# sign, and none has three accented letters in a row. `Ñº` is two letters, so other pairs are left alone.
_PASTED = re.compile(rb"(?:[\xc2\xc3][\x80-\xbf]|[\xe2-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+")

# Windows-1252 leaves five bytes undefined; they become the control characters that latin-1 has there.
_CP1252 = "".join(
    bytes([byte]).decode("cp1252") if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte) for byte in range(256)
)


def is_utf8(sample: bytes) -> bool:
    """Tell whether `sample`, which may end in the middle of a character, is UTF-8."""
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(sample) - error.start < 4 and error.reason == "unexpected end of data"
    return True


def decode(data: bytes, *, utf8: bool) -> str:
    """Return the text of whole lines. Decoding never fails, and how a line is read depends on that line alone.

    In a UTF-8 file a line that is not UTF-8 is read as Windows-1252; in a Windows-1252 file what can only be
    UTF-8 (an emoji, say) is read as that.
    """
    if data.isascii():
        return data.decode("ascii")
    if utf8:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return "\n".join(_line(line) for line in data.split(b"\n"))
    return _mixed(data)


def _line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return _mixed(line)


def _mixed(data: bytes) -> str:
    pieces = []
    at = 0
    for found in _PASTED.finditer(data):
        try:
            pasted = found[0].decode("utf-8")
        except UnicodeDecodeError:
            continue
        pieces += [_cp1252(data[at : found.start()]), pasted]
        at = found.end()
    pieces.append(_cp1252(data[at:]))
    return "".join(pieces)


def _cp1252(data: bytes) -> str:
    return codecs.charmap_decode(data, "strict", _CP1252)[0]
