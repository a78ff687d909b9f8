"""UTF-16, as "Unicode text" of spreadsheets: with its mark, or told by where its zero bytes stand."""

from __future__ import annotations

import codecs
from typing import BinaryIO

_SAMPLE = 4096
_BLOCK = 1 << 20


def encoding_of(stream: BinaryIO) -> str | None:
    """Return "utf-16-le" or "utf-16-be" for UTF-16, else None; the stream is rewound."""
    stream.seek(0)
    sample = stream.read(_SAMPLE)
    stream.seek(0)
    if sample.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if sample.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    pairs = len(sample) // 2
    if pairs < 4 or b"\x00" not in sample or sample.startswith(b"PK"):
        return None
    first, second = sample[0 : 2 * pairs : 2].count(0), sample[1 : 2 * pairs : 2].count(0)
    if second > pairs * 0.7 and first == 0:
        return "utf-16-le"
    if first > pairs * 0.7 and second == 0:
        return "utf-16-be"
    return None


def write_utf8(stream: BinaryIO, encoding: str, to: BinaryIO) -> None:
    """Copy UTF-16 to `to` as UTF-8, without marks; what is no character becomes U+FFFD."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    while block := stream.read(_BLOCK):
        to.write(decoder.decode(block).replace("\ufeff", "").encode("utf-8"))
    to.write(decoder.decode(b"", True).encode("utf-8"))
