"""What becomes of one line, judged by its own content alone: no state, no clock."""

from __future__ import annotations

import bisect
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from ops.simulator import sentences

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!?#$%()*+,-./:;=@ "
MAX_TEXT = 160
DIGITS = {"AR": 10, "GT": 8, "MX": 10, "PE": 9, "UY": 8}

# An asterisk may open a `*1*` field, so a block that has one is judged line by line.
_PLAIN_BYTES = ALPHABET.replace(b"*", b"") + b"\t"
_FIELD = re.compile(rb"\*[0-9]+\*")
_PLAIN_AR = re.compile(rb"[123][0-9]{9}\t").match


def all_plain(rests: Sequence[bytes], country: str) -> bool:
    """Whether every `destino TAB texto` is beyond reproach, asked of the whole block at once."""
    if country != "AR" or not rests:
        return False
    joined = b"".join(rests)
    return (
        not joined.translate(None, _PLAIN_BYTES)
        and joined.count(b"\t") == len(rests)
        and max(map(len, rests)) <= 11 + MAX_TEXT
        and all(map(_PLAIN_AR, rests))
    )


def judge(destino: bytes, texto: bytes, country: str) -> str | None:
    """The sentence that refuses this line (guide, unit endpoint), or None. Both are UTF-8 bytes."""
    return _judge_text(texto) or _judge_number(destino, country)


def _judge_text(texto: bytes) -> str | None:
    if len(texto) > MAX_TEXT and len(texto.decode("utf-8")) > MAX_TEXT:
        return sentences.TEXT_TOO_LONG
    if texto.translate(None, ALPHABET):
        return sentences.TEXT_CHARACTERS
    if _FIELD.search(texto):
        return sentences.TEXT_FIELD
    return None


def _judge_number(destino: bytes, country: str) -> str | None:
    if not destino.isdigit():
        return sentences.NUMBER_CHARACTERS
    if country == "UY":
        destino = destino.removeprefix(b"0")
    wanted = DIGITS[country]
    if len(destino) != wanted:
        return sentences.NUMBER_SHORT if len(destino) < wanted else sentences.NUMBER_LONG
    if country == "AR" and destino[:1] not in (b"1", b"2", b"3"):
        return sentences.NUMBER_FIRST_DIGIT
    return None


@dataclass(frozen=True)
class Mix:
    """A seeded share of results. The draw depends on seed, destino and texto alone, never on the order."""

    bounds: tuple[float, ...]
    outcomes: tuple[str, ...]
    seed: int

    @classmethod
    def of(cls, shares: dict[str, float], seed: int) -> Mix | None:
        """`shares` maps a guide code, or a sentence as it is, to a probability; the rest are OK."""
        total, bounds, outcomes = 0.0, [], []
        for code, share in shares.items():
            total += share
            bounds.append(total)
            outcomes.append(_sentence(code))
        if total > 1 + 1e-9:
            raise ValueError(f"the result mix adds up to {total:g}, more than 1")
        return cls(tuple(bounds), tuple(outcomes), seed) if outcomes else None

    def draw(self, rest: bytes) -> str | None:
        at = bisect.bisect_right(self.bounds, fraction(rest, self.seed))
        outcome = self.outcomes[at] if at < len(self.outcomes) else sentences.OK
        return None if outcome == sentences.OK else outcome


def _sentence(code: str) -> str:
    try:
        number = int(code)
    except ValueError:
        return code
    if number not in sentences.BY_CODE:
        raise ValueError(f"the guide has no code {code}")
    return sentences.BY_CODE[number]


def fraction(content: bytes, salt: int) -> float:
    """A number in [0, 1) that content and salt determine."""
    mixed = (zlib.crc32(content) ^ (salt * 0x85EBCA6B)) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 16)) / 4294967296
