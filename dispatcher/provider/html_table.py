"""The rows of an HTML table, read in one pass. Pure.

Python's own reader of HTML takes quadratic time for tags that never end (CVE-2025-6069), and strangers write what
stands in the cells.
"""

from __future__ import annotations

import re

from dispatcher.provider.envelopes import unescaped

# A tag holds no other "<", so what never ends is not read again from each one.
_MARKUP = re.compile(r"<!--|<(/?)([a-zA-Z][a-zA-Z0-9]*+)[^<>]*+>|<[!?/][^<>]*+>")


def rows(text: str) -> list[list[str]] | None:
    """The rows of the page's tables, each a list of its cells' texts; None when no table ends."""
    found, ended, at = _Rows(), False, 0
    cell: list[str] | None = None
    while tag := _MARKUP.search(text, at):
        if cell is not None:
            cell.append(text[at : tag.start()])
        at, closes, name = tag.end(), tag[1], (tag[2] or "").lower()
        if tag[0] == "<!--":
            ends = text.find("-->", at)
            at = len(text) if ends < 0 else ends + 3
        elif name in ("td", "th", "tr") or (closes and name == "table"):
            if cell is not None:
                found.close_cell(cell)
            cell = [] if not closes and name != "tr" else None
            if not closes and name == "tr":
                found.open_row()
            ended |= name == "table"
    if cell is not None:
        found.close_cell([*cell, text[at:]])
    return [row for row in found.rows if row] if ended else None


class _Rows:
    def __init__(self) -> None:
        self.rows: list[list[str]] = []

    def open_row(self) -> None:
        self.rows.append([])

    def close_cell(self, parts: list[str]) -> None:
        if not self.rows:
            self.rows.append([])
        self.rows[-1].append(unescaped("".join(parts)))
