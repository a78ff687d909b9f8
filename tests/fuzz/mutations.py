"""New inputs from old ones, for machines where atheris does not run."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

_BITS = (
    b"\x00",
    b"\xff",
    b"\r\n",
    b"\t",
    b'"',
    b";",
    b"<",
    b"&#",
    b"{",
    b"}",
    b"\\",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"9" * 20,
)


def mutated(seeds: list[bytes], draw: random.Random) -> bytes:
    """One of the seeds, cut, repeated, spliced with another one or changed in some places."""
    data = bytearray(draw.choice(seeds) if seeds else b"")
    for _ in range(draw.randint(1, 8)):
        at = draw.randint(0, len(data))
        match draw.randrange(6):
            case 0:
                del data[at : at + draw.randint(1, 40)]
            case 1:
                data[at:at] = draw.choice(_BITS)
            case 2:
                data[at:at] = draw.randbytes(draw.randint(1, 12))
            case 3 if data:
                data[at % len(data)] = draw.randrange(256)
            case 4:
                data[at:at] = data[at : at + 30] * draw.randint(1, 20)
            case _:
                other = draw.choice(seeds) if seeds else b""
                data[at:] = other[draw.randint(0, len(other)) :]
    return bytes(data[:200_000])


def feed(
    target: Callable[[bytes], None], seeds: list[bytes], draw: random.Random, seconds: float
) -> tuple[int, bytes | None, Exception | None]:
    """How many inputs `target` took in so much CPU time, and the one that broke it, if any, with how."""
    runs, ends = 0, time.process_time() + seconds
    while time.process_time() < ends:
        data = mutated(seeds, draw)
        try:
            target(data)
        except Exception as error:
            return runs, data, error
        runs += 1
    return runs, None, None
