"""Bytes to text. A list is UTF-8 or, from older programs, in one of three code pages; some lists mix both. Pure."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Literal

CodePage = Literal["cp1252", "cp850", "mac_roman"]
CODE_PAGES: dict[CodePage, str] = {"cp1252": "Windows-1252", "cp850": "CP850 (DOS)", "mac_roman": "MacRoman"}
"""The code pages of Spanish lists, with the names that sentences use."""

# In a list in a code page, these can only be UTF-8 that was pasted in: no Spanish word has Ã or Â before a
# sign, and none has three accented letters in a row. `Ñº` is two letters, so other pairs are left alone.
_PASTED = re.compile(rb"(?:[\xc2\xc3][\x80-\xbf]|[\xe2-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+")

# Windows-1252 leaves five bytes undefined; they become the control characters that latin-1 has there.
_CP1252 = "".join(
    bytes([byte]).decode("cp1252") if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte) for byte in range(256)
)
TABLES: dict[CodePage, str] = {
    "cp1252": _CP1252,
    "cp850": bytes(range(256)).decode("cp850"),
    "mac_roman": bytes(range(256)).decode("mac_roman"),
}
"""The character of each byte."""


@dataclass(frozen=True)
class Encoding:
    """How the bytes of a list are read.

    Attributes:
        utf8: whether most lines with accents are UTF-8.
        code_page: what the other lines are in.
    """

    utf8: bool = True
    code_page: CodePage = "cp1252"

    def decode(self, data: bytes) -> str:
        """Return the text of whole lines. Decoding never fails, and a line does not depend on its neighbours.

        In a UTF-8 file a line that is not UTF-8 is read in the code page; in a file in a code page, what can only be
        UTF-8 (an emoji, say) is read as that.
        """
        if data.isascii():
            return data.decode("ascii")
        if self.utf8:
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                return "\n".join(self._line(line) for line in data.split(b"\n"))
        return self._mixed(data)

    def _line(self, line: bytes) -> str:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            return self._mixed(line)

    def _mixed(self, data: bytes) -> str:
        table = TABLES[self.code_page]
        pieces = []
        at = 0
        for found in _PASTED.finditer(data):
            try:
                pasted = found[0].decode("utf-8")
            except UnicodeDecodeError:
                continue
            pieces += [codecs.charmap_decode(data[at : found.start()], "strict", table)[0], pasted]
            at = found.end()
        pieces.append(codecs.charmap_decode(data[at:], "strict", table)[0])
        return "".join(pieces)


def without_pasted(data: bytes) -> bytes:
    """Return `data` without what can only be UTF-8 that was pasted in."""
    return _PASTED.sub(b"", data)
