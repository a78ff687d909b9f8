"""What people type or an address holds, read leniently: what cannot be read asks for nothing."""

from __future__ import annotations

LARGEST_ID = 2**63 - 1
LARGEST_SEQ = 2**31 - 1


def whole_number(written: str, largest: int = LARGEST_ID) -> int | None:
    """The number that is written; None when it is none, or one that no row can have."""
    written = written.strip()
    if not written.removeprefix("-").isdigit() or not written.isascii() or len(written) > 19:
        return None
    return number if abs(number := int(written)) <= largest else None
