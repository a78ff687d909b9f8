"""Splits text into rows, and rows into columns.

One open quote or one ragged row makes a CSV reader fail for the whole file, so rows are split here: lines without
quotes column-wise, lines with simple quotes by the csv module, the few odd ones by hand.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from dispatcher.ingest import quotes
from dispatcher.ingest.blocks import InvalidRow, column, invalid, schema
from dispatcher.ingest.lines import MAX_LINE
from dispatcher.ingest.tidy import INVISIBLE


@dataclass
class _Odd:
    """What became of those lines of a block that are not plain."""

    rows: list[tuple[int, str, list[str]]] = field(default_factory=list)
    invalid_rows: list[InvalidRow] = field(default_factory=list)
    swallowed: set[int] = field(default_factory=set)  # lines that belong to a row which began on an earlier line
    stop: int | None = None  # the line whose row continues in the next block


class Splitter:
    """Takes text by the block and returns its rows; a row that is not complete waits for the next block."""

    def __init__(self, separator: str, width: int, wanted: Sequence[int], first_line: int) -> None:
        """Expect rows of `width` fields, the first of them on the line numbered `first_line`."""
        self.separator = separator
        self.width = width
        self.wanted = list(wanted)
        self._line = first_line
        self._pending = ""
        sep = re.escape(separator)
        value = rf'(?:"[^"\r]*"|[^"\r{sep}]*)'
        self._simple = rf"^{value}(?:{sep}{value})*$"
        blank = rf"[\s\x1a{INVISIBLE}]"
        nothing = rf'{blank}*(?:"{blank}*")?{blank}*'
        self._nothing = rf"^{nothing}(?:{sep}{nothing})*$"
        self._fill = separator + " \t\u00a0"

    def take(self, text: str, *, last: bool) -> tuple[pl.DataFrame, list[InvalidRow]]:
        """Return the rows of `text` with the columns of `blocks.schema`, in order, and the invalid rows."""
        text = self._pending + text
        if not text:
            return pl.DataFrame(schema=schema(self.wanted)), []
        frame = self._classified(text)
        height = frame.height
        plain = ~pl.col("quoted") & ~pl.col("broken") & pl.col("fits")
        odd = self._odd(frame.filter(~pl.col("blank") & ~plain), text, last=last)
        frame = frame.filter(plain & ~pl.col("blank"))
        if odd.swallowed:
            frame = frame.filter(~pl.col("at").is_in(sorted(odd.swallowed)))
        if odd.stop is not None:
            frame = frame.filter(pl.col("at") < odd.stop)
        rows = self._plain_columns(frame)
        if odd.rows:
            rows = pl.concat([rows, self._odd_columns(odd.rows)]).sort("line")
        self._pending = "" if odd.stop is None else "\n".join(text.split("\n")[odd.stop :])
        self._line += height if odd.stop is None else odd.stop
        return rows, odd.invalid_rows

    def _classified(self, text: str) -> pl.DataFrame:
        """Return a frame with a row per line: `at` (from 0), `raw`, and what decides how to split it."""
        lines = pl.Series("raw", [text.removesuffix("\n")], dtype=pl.String).str.split("\n").explode()
        if "\r" in text:
            lines = lines.str.strip_chars_end("\r")
        raw = pl.col("raw")
        quotes_in = '"' in text
        return (
            lines.to_frame()
            .with_row_index("at")
            .with_columns(
                blank=self._is_blank(lines),
                fits=self._fits(lines),
                quoted=raw.str.contains('"', literal=True) if quotes_in else pl.lit(False),
                simple=raw.str.contains(self._simple) if quotes_in else pl.lit(False),
                broken=(raw.str.len_bytes() > MAX_LINE)
                | (raw.str.contains("\x00", literal=True) if "\x00" in text else pl.lit(False)),
            )
        )

    def _is_blank(self, lines: pl.Series) -> pl.Series:
        """Tell for each line whether no column of it holds anything."""
        return lines.str.contains(self._nothing)

    def _fits(self, lines: pl.Series) -> pl.Series:
        """Tell for each line whether it has as many fields as there are headings; empty ones beyond do not count."""
        fields = lines.str.count_matches(self.separator, literal=True) + 1
        fits = fields == self.width
        more = fields > self.width
        if more.any():
            needed = lines.filter(more).str.strip_chars_end(self._fill).str.count_matches(self.separator, literal=True)
            fits = fits.scatter(more.arg_true(), needed < self.width)
        return fits

    def _plain_columns(self, frame: pl.DataFrame) -> pl.DataFrame:
        parts = pl.col("raw").str.split_exact(self.separator, max(self.wanted, default=0))
        return frame.with_columns(parts=parts).select(
            (pl.col("at").cast(pl.Int64) + self._line).alias("line"),
            "raw",
            *(pl.col("parts").struct.field(f"field_{at}").alias(column(at)) for at in self.wanted),
        )

    def _odd_columns(self, rows: list[tuple[int, str, list[str]]]) -> pl.DataFrame:
        return pl.DataFrame(
            {"line": [line for line, _, _ in rows], "raw": [raw for _, raw, _ in rows]}
            | {column(at): [fields[at] for _, _, fields in rows] for at in self.wanted},
            schema=schema(self.wanted),
        )

    def _odd(self, frame: pl.DataFrame, text: str, *, last: bool) -> _Odd:
        odd = _Odd()
        if frame.is_empty():
            return odd
        simple = pl.col("simple") & pl.col("quoted") & ~pl.col("broken")
        lines: list[str] = []
        for at, raw, broken in frame.filter(~simple).select("at", "raw", "broken").iter_rows():
            if at in odd.swallowed:
                continue
            lines = lines or text.removesuffix("\n").split("\n")
            self._by_hand(odd, lines, at, raw, broken=broken, last=last)
            if odd.stop is not None:
                break
        self._simply_quoted(odd, frame.filter(simple))
        return odd

    def _by_hand(self, odd: _Odd, lines: list[str], at: int, raw: str, *, broken: bool, last: bool) -> None:
        if broken:
            return self._damaged(odd, at, raw)
        fields = quotes.split(raw, self.separator)
        if isinstance(fields, list):
            return self._row(odd, at, raw, fields)
        record = quotes.assemble(lines, at, self.separator, self.width)
        if record is None and not last:
            odd.stop = at
        elif isinstance(record, tuple):
            fields, taken = record
            odd.swallowed.update(range(at + 1, at + taken))
            self._row(odd, at, "\n".join(lines[at : at + taken]), fields)
        else:
            self._invalid(odd, at, raw, "open_quote")
        return None

    def _simply_quoted(self, odd: _Odd, frame: pl.DataFrame) -> None:
        """Split lines whose quotes all close on the same line: in a fully quoted file, that is every line."""
        if odd.stop is not None:
            frame = frame.filter(pl.col("at") < odd.stop)
        raws = frame["raw"].to_list()
        for at, raw, fields in zip(
            frame["at"].to_list(), raws, csv.reader(raws, delimiter=self.separator), strict=True
        ):
            if at not in odd.swallowed:
                self._row(odd, at, raw, fields)

    def _row(self, odd: _Odd, at: int, raw: str, fields: list[str]) -> None:
        fields = quotes.fit(fields, self.width)
        if len(fields) == self.width:
            if "\x00" in raw:
                return self._damaged(odd, at, raw)
            odd.rows.append((self._line + at, raw, fields))
            return None
        reason = "fields_missing" if len(fields) < self.width else "fields_extra"
        return self._invalid(odd, at, raw, reason, fields=len(fields), headings=self.width)

    def _damaged(self, odd: _Odd, at: int, raw: str) -> None:
        if "\x00" in raw:
            return self._invalid(odd, at, raw, "nul_byte")
        return self._invalid(odd, at, raw, "row_too_long", limit=MAX_LINE)

    def _invalid(self, odd: _Odd, at: int, raw: str, reason: str, **facts: int) -> None:
        odd.invalid_rows.append(invalid(self._line + at, raw, reason, facts))
