"""One look before it goes: the rows of a list that a careful colleague would ask about."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from pyroaring import BitMap64

from dispatcher.ingest import Batch

ODD_ROWS = 5
WHY = {each: each for each in ("longest", "emptiest", "most changed", "a number as a name")}
"""What is odd about a row, in words."""
_KEPT = 20
"""Candidates that are kept of each kind: the same row may be odd in two ways."""


@dataclass
class Look:
    """What stands out in the texts of a list, found batch by batch in bounded memory."""

    longest: dict[str, Any] | None = None
    changes: Counter[str] = field(default_factory=Counter)  # texts that have each character that was spelled otherwise
    _odd: dict[str, list[tuple[float, int, dict[str, Any]]]] = field(default_factory=dict)
    _pairs: BitMap64 = field(default_factory=BitMap64)
    _numbers: BitMap64 = field(default_factory=BitMap64)

    def add(self, batch: Batch) -> None:
        """Look at one more batch that was checked with `look`."""
        seen = batch.looked
        if seen is None or seen.is_empty():
            return
        self._pairs |= BitMap64(seen.select(pl.struct("destino", "texto")).to_series().hash().to_list())
        self._numbers |= BitMap64(seen["destino"].hash().to_list())
        self._note("longest", seen, pl.col("texto").str.len_chars())
        self._note("emptiest", seen, -pl.col("texto").str.len_chars().cast(pl.Int64))
        changed = seen.filter(pl.col("written") != pl.col("texto"))
        if changed.height:
            odd = pl.col("written").str.count_matches(r"[^A-Za-z0-9!?#$%()*+,\-./:;=@ ]")
            self._note("most changed", changed, odd)
            self._count_changes(changed)
        if "digits" in seen.columns:
            self._note("a number as a name", seen.filter(pl.col("digits")), pl.lit(1))
        longest = self._odd["longest"][0:1] and max(self._odd["longest"])[2]
        self.longest = longest or None

    def odd_rows(self) -> list[dict[str, Any]]:
        """The rows with the oddest values, each once, with what is odd about it; the kinds take turns."""
        ranked = [(why, sorted(rows, reverse=True)) for why, rows in self._odd.items()]
        found: dict[int, dict[str, Any]] = {}
        for place in range(_KEPT):
            for why, rows in ranked:
                if place < len(rows) and len(found) < ODD_ROWS:
                    row = rows[place][2]
                    found.setdefault(row["line"], {**row, "why": why})
        return list(found.values())

    @property
    def different_texts(self) -> int:
        """How many rows have the number of another row, and another text."""
        return len(self._pairs) - len(self._numbers)

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {
            "longest": self.longest,
            "odd_rows": self.odd_rows(),
            "changed_characters": dict(self.changes.most_common()),
            "different_texts": self.different_texts,
        }

    def _note(self, why: str, rows: pl.DataFrame, oddness: pl.Expr) -> None:
        ranked = rows.with_columns(oddness.cast(pl.Float64).alias("odd")).top_k(_KEPT, by="odd")
        kept = self._odd.setdefault(why, [])
        for row in ranked.select("odd", "line", "destino", "texto").iter_rows(named=True):
            odd = row.pop("odd")
            # Of equally odd rows, the one that comes first.
            entry = (odd, -row["line"], row)
            (heapq.heappush if len(kept) < _KEPT else heapq.heappushpop)(kept, entry)

    def _count_changes(self, changed: pl.DataFrame) -> None:
        outside = changed["written"].str.extract_all(r"[^A-Za-z0-9!?#$%()*+,\-./:;=@ ]").list.unique().explode()
        for char, n in outside.value_counts().iter_rows():
            if char is not None:
                self.changes[char] += n
