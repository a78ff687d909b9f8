"""What is mended in every value, whatever the format of the list: blanks around and inside it, and broken accents.

Values are padded by old programs, copied from web pages with other kinds of blanks, and encoded twice on their way
through a wrong import. A value whose letters are lost for good makes its row invalid: nobody gets half a name.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator, Sequence

import ftfy
import polars as pl
from ftfy.badness import is_bad

from dispatcher.ingest.blocks import Block, InvalidRow, Table, column, invalid
from dispatcher.ingest.remarks import Remark
from dispatcher.ingest.short_rows import taken_in

INVISIBLE = r"\x{ad}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2064}\x{feff}"
"""Zero width characters, direction marks and soft hyphens, as part of a pattern's class."""

_ENDS = rf"^[\s{INVISIBLE}]+|[\s{INVISIBLE}]+$"
_RUN = r"\s\s+|[^\S ]"
_UNTIDY = rf"^\s|\s$|\s\x1f|\x1f\s|\s\s|[^\S ]|[{INVISIBLE}]"
_TWICE = r"[\x{80}-\x{9f}Â-ÅÐÎÏØÞßâãäåæïðþƒ├┬Γ√¬‚\x{fffd}]|[a-zñ][¡¿‚„‹›]"
_LOST = r"[A-Za-zÀ-ÿ][?][A-Za-zÀ-ÿ]|(?:^|[ \x1f])[?][a-zà-ÿ]{2}"
_HTML = r"&(?:[A-Za-z]{2,8}|#[0-9]{2,6}|#x[0-9A-Fa-f]{2,5});"
_GUARDED = r'^="([^"]*)"$'
"""How a program keeps a spreadsheet from reading `0042` as a number."""
_ANYTHING = f'{_UNTIDY}|{_TWICE}|{_LOST}|{_HTML}|="'
_SPLIT_APART = re.compile(r"\ufffd|[a-zñáéíóúü](?:[ÂÃ](?![A-ZÀ-Þ])|[¡¿‚„‹›][a-zñ])")
# `Mu?oz`, `MU?OZ`, `?lvarez`; not an address, `x.com/a?b`, and not `bien?Si`.
_QUESTION = re.compile(r"[a-zà-ÿ][?][a-zà-ÿ]|[A-ZÀ-Þ][?][A-ZÀ-Þ]|(?:^| )[?][a-zà-ÿ]{2}")
_ADDRESS = re.compile(r"[/=@&]|[.][a-z]")
_BLANK = re.compile("[\\s\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*")
# Only what comes back whole: a lost byte is not guessed, since `GarcÃ a` is not Garcà a.
_CLEANLY = ftfy.TextFixerConfig(restore_byte_a0=False, replace_lossy_sequences=False)
_BYTE_LOST = re.compile("[a-zñáéíóúü]Ã(?: |$)")
_BETWEEN = "\x1f"


class Tidied:
    """A table whose headings and values are mended; see `Table`."""

    def __init__(self, table: Table) -> None:
        """Mend what `table` yields."""
        self.table = table
        self.columns = [tidy_text(name) for name in table.columns]
        self._repaired = 0
        self._html = 0
        self._short = 0

    @property
    def separator(self) -> str | None:
        """What divides the columns of the table."""
        return self.table.separator

    @property
    def remarks(self) -> list[Remark]:
        """The remarks of the table, and how many values were repaired in the last pass."""
        repaired = [Remark("repaired_double_encoding", {"values": self._repaired})] if self._repaired else []
        html_signs = [Remark("html_signs", {"values": self._html})] if self._html else []
        short = [Remark("short_rows", {"rows": self._short})] if self._short else []
        return [*self.table.remarks, *repaired, *html_signs, *short]

    def blocks(
        self,
        wanted: Sequence[int],
        batch_rows: int,
        verbatim: Collection[int] = (),
        needed: Collection[int] | None = None,
    ) -> Iterator[Block]:
        """Yield the blocks of the table, mended but for the columns at the positions `verbatim`.

        A row with fewer fields than headings is invalid, unless it has all that are `needed`.
        """
        self._repaired = self._html = self._short = 0
        for block in self.table.blocks(wanted, batch_rows):
            if needed is not None and block.invalid_rows:
                block, short = taken_in(block, wanted, needed, self.separator)
                self._short += short
            yield self._mended(_unguarded(block, wanted), [at for at in wanted if at not in verbatim])

    def _mended(self, block: Block, wanted: Sequence[int]) -> Block:
        frame = block.frame
        damaged: dict[int, pl.Series] = {}
        for at in wanted:
            values = frame[column(at)]
            joined = values.str.join(_BETWEEN)
            if not _occurs(_ANYTHING, joined):
                continue
            if _occurs(_HTML, joined):
                values = self._without_html(values)
            if _occurs(f"{_TWICE}|{_LOST}", values.str.join(_BETWEEN)):
                values, damaged[at] = self._repair(values)
            if _occurs(_UNTIDY, values.str.join(_BETWEEN)):
                values = values.str.replace_all(_ENDS, "").str.replace_all(_RUN, " ")
            frame = frame.with_columns(values.alias(column(at)))
        invalid_rows = list(block.invalid_rows)
        for at, bad in damaged.items():
            if bad.any():
                invalid_rows += _damaged(frame.filter(bad), at, self.columns[at])
        if len(invalid_rows) > len(block.invalid_rows):
            unreadable = [invalid_row.line for invalid_row in invalid_rows]
            frame = frame.filter(~pl.col("line").is_in(unreadable))
            invalid_rows = list({invalid_row.line: invalid_row for invalid_row in reversed(invalid_rows)}.values())
        return Block(frame, invalid_rows, block.position)

    def _without_html(self, values: pl.Series) -> pl.Series:
        """Return the values with `&ntilde;` and the like as what they stand for."""
        outcome = {
            value: html.unescape(html.unescape(value)) for value in values.filter(_holds(values, _HTML)).unique()
        }
        changed = {value: after for value, after in outcome.items() if value != after}
        if not changed:
            return values
        self._html += int(values.is_in(list(changed)).sum())
        return values.replace(changed)

    def _repair(self, values: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Return the values with what was encoded twice repaired, and which of them cannot be repaired."""
        suspects = values.filter(_holds(values, f"{_TWICE}|{_LOST}")).unique().to_list()
        outcome = {value: repaired(value) for value in suspects}
        bad = [value for value, after in outcome.items() if is_damaged(after)]
        damaged = values.is_in(bad).fill_null(False) if bad else pl.repeat(False, len(values), eager=True)
        changed = {value: after for value, after in outcome.items() if value != after}
        if changed:
            found = pl.DataFrame(
                {"value": list(changed), "after": list(changed.values())},
                schema={"value": pl.String, "after": pl.String},
            )
            joined = values.to_frame("value").join(found, on="value", how="left", maintain_order="left")
            self._repaired += len(values) - joined["after"].null_count()
            values = joined.select(pl.coalesce("after", "value").alias("value"))["value"]
        return values, damaged


def tidy_text(text: str) -> str:
    """Return one text, mended as values are; half a character in it as an escape."""
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = repaired(text.encode("utf-8", "backslashreplace").decode())
    mended = pl.Series([text], dtype=pl.String).str.replace_all(_ENDS, "").str.replace_all(_RUN, " ")
    mended = mended.str.replace_all(_GUARDED, "$1")
    return str(mended[0])


def repaired(text: str) -> str:
    """Return `text` as it was before it was encoded twice; as it is, when it does not come back whole."""
    return text if _BYTE_LOST.search(text) else ftfy.fix_encoding(text, _CLEANLY)


def is_blank(text: str) -> bool:
    """Tell whether a value holds nothing that can be seen."""
    return _BLANK.fullmatch(text) is not None


def is_damaged(text: str) -> bool:
    """Tell whether letters of `text` were lost on its way: `Garc\ufffda`, `GarcÃ a`, `Garc¡a`."""
    if _SPLIT_APART.search(text) is not None or is_bad(text):
        return True
    return _QUESTION.search(text) is not None and _ADDRESS.search(text) is None


def _unguarded(block: Block, wanted: Sequence[int]) -> Block:
    """Return the block with `="0042"` as 0042."""
    frame = block.frame
    for at in wanted:
        values = frame[column(at)]
        if _occurs('="', values.str.join(_BETWEEN)):
            frame = frame.with_columns(values.str.replace_all(_GUARDED, "$1").alias(column(at)))
    return Block(frame, block.invalid_rows, block.position)


def _holds(values: pl.Series, pattern: str) -> pl.Series:
    return values.str.contains(pattern).fill_null(value=False)


def _occurs(pattern: str, joined: pl.Series) -> bool:
    """Tell whether `pattern` occurs in joined values: one search in all of them is much faster than one in each."""
    return bool(joined.str.contains(pattern).any())


def _damaged(frame: pl.DataFrame, at: int, heading: str) -> list[InvalidRow]:
    return [
        invalid(line, raw, "damaged_text", {"column": heading, "value": value[:60]})
        for line, raw, value in frame.select("line", "raw", column(at)).iter_rows()
    ]
