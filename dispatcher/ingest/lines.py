"""A stream of bytes as blocks of whole lines, in bounded memory however long a line is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

BLOCK_BYTES = 1 << 20
BOM = b"\xef\xbb\xbf"
MAX_LINE = 1 << 20
"""Bytes of one line. Longer lines are cut: no real row is that long."""


def line_blocks(stream: BinaryIO, *, old_mac: bool) -> Iterator[tuple[bytes, int]]:
    """Yield (whole lines ending in LF, bytes read so far); only the last block may lack its final LF.

    A line over MAX_LINE arrives cut to MAX_LINE + 1 bytes, so that its reader can tell. With `old_mac`, CR
    alone ends a line.
    """
    carry = b""
    skipping = False
    read = 0
    while chunk := stream.read(BLOCK_BYTES):
        read += len(chunk)
        if old_mac:
            chunk = chunk.replace(b"\r", b"\n")
        if skipping:
            end = chunk.find(b"\n")
            if end < 0:
                continue
            chunk = chunk[end:]
            skipping = False
        data = carry + chunk
        end = data.rfind(b"\n") + 1
        carry = data[end:]
        if len(carry) > MAX_LINE:
            carry = carry[: MAX_LINE + 1]
            skipping = True
        if end:
            yield data[:end], read
    if carry:
        yield carry, read


def after_marks(stream: BinaryIO) -> int:
    """Move `stream` behind its byte order marks (some programs write two), and return the position."""
    at = 0
    stream.seek(0)
    while stream.read(len(BOM)) == BOM:
        at += len(BOM)
    return stream.seek(at)


def is_old_mac(sample: bytes) -> bool:
    """Tell whether lines end in CR alone, as old Mac programs wrote them."""
    return b"\n" not in sample and b"\r" in sample.rstrip(b"\r")
