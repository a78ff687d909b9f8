"""idinterno: the reference that each line carries to the provider and back (guide, "Envío en bloque").

Form: `M`, prefix (10 hex digits, random per database), campaign (hex), generation (one letter `G`..`V`), seq (hex),
check character. At most 37 characters: upper-case letters and digits. Reading ignores case and needs no look-up.
The check character is a weighted sum modulo 31, so a single wrong character is always noticed.
`encode_idinterno` and `decode_idinterno` in the database do the same.
"""

import re
from typing import NamedTuple

ALPHABET = "0123456789ABCDEFGHJKLMNPRTUVWXY"
FIRST_GENERATION = ord("G")
FORM = r"^M([0-9A-F]{10})([1-9A-F][0-9A-F]{0,14})([G-V])([1-9A-F][0-9A-F]{0,7})([0-9A-HJ-NPRT-Y])$"
_PATTERN = re.compile(FORM, re.ASCII)
MAX_SEQ = 2**31 - 1


class Idinterno(NamedTuple):
    """The parts of an idinterno."""

    prefix: str
    campaign_id: int
    generation: int
    seq: int


def _check(prefix: str, campaign_id: int, generation: int, seq: int) -> str:
    return ALPHABET[(int(prefix, 16) + 2 * campaign_id + 3 * generation + seq) % 31]


def encode(prefix: str, campaign_id: int, generation: int, seq: int) -> str:
    """The idinterno of one line."""
    letter = chr(FIRST_GENERATION + generation)
    return f"M{prefix}{campaign_id:X}{letter}{seq:X}{_check(prefix, campaign_id, generation, seq)}"


def head(prefix: str, campaign_id: int) -> tuple[str, int]:
    """What all idinternos of a campaign begin with, and what that beginning adds to the checksum (0..30)."""
    return f"M{prefix}{campaign_id:X}", (int(prefix, 16) + 2 * campaign_id) % 31


def decode(text: str) -> Idinterno | None:
    """Read one of our idinternos, in any case; None for any other text."""
    match = _PATTERN.match(text.upper())
    if not match or text[-1:] == "\n":
        return None
    prefix, campaign, letter, seq, check = match.groups()
    found = Idinterno(prefix, int(campaign, 16), ord(letter) - FIRST_GENERATION, int(seq, 16))
    if found.seq > MAX_SEQ or check != _check(*found):
        return None
    return found
