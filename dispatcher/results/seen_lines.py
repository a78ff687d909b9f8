"""Which result lines this process has settled before: overlapping polls read every line several times.

A line is known by a hash of its bytes, so that one that was read before is skipped before it is parsed.
Forgetting does no harm: settling is idempotent, it only costs more.
"""

from collections.abc import Callable
from datetime import datetime

import polars as pl

LIMIT = 3_000_000

Unseen = Callable[[pl.Series], pl.Series]
"""From hashes of lines to whether each is new."""


class Seen:
    """Hashes of the latest lines, each with its fecha (naive, provider-local)."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lines = pl.DataFrame(schema={"hash": pl.UInt64, "fecha": pl.Datetime("us")})

    def unseen(self) -> Unseen:
        """A test for new lines, as of now."""
        known = self._lines["hash"].sort()
        if known.is_empty():
            return lambda hashes: pl.repeat(True, len(hashes), eager=True)
        # A binary search: a hash table would be built again for every slice of an answer.
        return lambda hashes: known.gather(known.search_sorted(hashes).clip(0, len(known) - 1)) != hashes

    def add(self, lines: pl.DataFrame) -> None:
        """Remember lines (columns hash, fecha) that were settled."""
        self._lines = pl.concat([self._lines, lines.select("hash", "fecha")]).tail(LIMIT)

    def forget_before(self, fecha: datetime) -> None:
        """Drop what no poll asks for any more."""
        self._lines = self._lines.filter(pl.col("fecha") >= fecha)
