"""What the owner of a list should know beside its invalid rows: codes with values, and a sentence for each. Pure.

Some things are taken for granted while a file is read (its encoding, its sheet); others show in rows, and are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatcher.i18n.words import counted, worded

SENTENCES = {
    "encoding": "The text was read as {encoding}: check the accents in the samples.",
    "separator": "The list was read as one column: none of the separators {tried} divides its first line.",
    "sheet": "The sheet {sheet!r} was read.",
    "sheets_not_read": "Not read: {sheets}. Choose a sheet with --sheet (sheet).",
    "sheets_left_out": "Not read: {sheets}. Save each as a list of its own if it holds numbers, too.",
    "header_row": "The headings were found in line {line}. Left out above: {above}.",
    "hidden_rows": "Hidden by a filter, and will be sent: {rows}. To leave them out: --visible-only (visible_only).",
    "hidden_rows_read": "Hidden by a filter, and read like the others: {rows}.",
    "hidden_rows_left_out": "Hidden by a filter, and left out: {rows}.",
    "hidden_columns": "Hidden columns are read like the others: {columns}. Leave them out with --visible-only.",
    "hidden_columns_left_out": "Hidden columns were left out: {columns}.",
    "repaired_double_encoding": "Encoded twice (GarcÃ­a), and repaired (García): {values}.",
    "unrendered_format": "The number format {format!r} is not known here: {cells}, shown without it.",
    "two_signs": "{column!r} has a sign of its own in {rows}, and the template has a $ before {{{column}}}: leave that"
    " out.",
    "month_first": "{column!r} has the month first in {rows}, as in 12/31/2026. A date such as 05/06/2026 is read with"
    " the day first: check those of this column.",
    "html_signs": "With signs of HTML (&ntilde;), and repaired (ñ): {values}.",
    "short_rows": "Fewer fields than headings, and what is missing is not used: {rows}. It counts as empty.",
    "merged_cells": "Values of merged cells were taken for every row that they cover: {values}.",
    "other_numbers": "The number was taken from {taken!r}. {other!r} holds one, too: {rows} with a valid number only"
    " there. Name the columns with --to-column (to_column): {taken},{other} takes the first valid one.",
    "different_numbers": "{taken!r}, which was taken, and {other!r} hold different numbers in {rows}.",
}


@dataclass(frozen=True)
class Remark:
    """One thing that the owner of a list should know: a code with its values."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        """Equal remarks count together."""
        return hash(self.code)

    def counted(self, rows: int) -> Remark:
        """The same, with the number of rows that it holds for."""
        return Remark(self.code, {**self.values, "rows": rows})

    @property
    def sentence(self) -> str:
        """The remark in words, in the reader's language."""
        return worded(SENTENCES[self.code], **{name: _worded(name, value) for name, value in self.values.items()})

    def as_json(self) -> dict[str, Any]:
        """The remark ready for JSON: its code, its values, and the sentence as `text`."""
        return {"code": self.code, **self.values, "text": self.sentence}


COUNTED = {
    "rows": ("{n:,} row", "{n:,} rows"),
    "values": ("{n:,} value", "{n:,} values"),
    "cells": ("{n:,} cell is", "{n:,} cells are"),
}
_SHOWN = 10


def _worded(name: str, value: Any) -> Any:
    if name == "above":
        return counted(value, "{n:,} line", "{n:,} lines")
    if name in COUNTED:
        return worded(COUNTED[name][value != 1], n=value)
    if isinstance(value, (list, tuple)):
        return _listed(value)
    return value


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = worded(" and {n} more", n=len(names) - _SHOWN) if len(names) > _SHOWN else ""
    return ", ".join(repr(name[:40]) for name in names[:_SHOWN]) + more
