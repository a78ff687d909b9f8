"""What a spreadsheet would run as a formula, made harmless in whatever people open (OWASP, CSV injection). Pure.

The patterns are those of Python, of Postgres and of polars alike.
"""

from __future__ import annotations

import re

# What a spreadsheet takes for the beginning of a formula in every width that it reads, and what it skips before one.
_STARTS = r"=+@\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20-"
_SKIPPED = (
    r'"\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180e'
    r"\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"
    r"\ufff9-\ufffb\U000e0000-\U000e01ef"
)
DANGEROUS = rf"^([\u0009-\u000d]|[{_SKIPPED}]*[{_STARTS}])"
"""A cell that needs an apostrophe before it."""
DANGEROUS_INSIDE = rf"([,;|\u0009-\u000d][{_SKIPPED}]*)([{_STARTS}])"
"""Where a CSV needs one inside: a spreadsheet of another country splits there, inside of our quotes too."""
SUSPECT = rf"[,;|\u0009-\u000d]([\u0009-\u000d]|[{_SKIPPED}]*[{_STARTS}])"
"""Found in `,` + cell when either of the two is in the cell, and now and then for nothing: one look instead of two."""

_GUARDED = DANGEROUS.replace("^", "^'", 1)
_GUARDED_INSIDE = DANGEROUS_INSIDE.replace(")(", ")'(", 1)
UNGUARDED = ((_GUARDED, "$1"), (_GUARDED_INSIDE, "$1$2"))
"""Patterns and replacements of polars that take the apostrophes away again."""

_DANGEROUS = re.compile(DANGEROUS)
# From the first character of a run on, so that a long one is read once.
_INSIDE = re.compile(rf"(?<![,;|{_SKIPPED}])([,;|{_SKIPPED}]++)([{_STARTS}])")
_SEPARATORS = frozenset(",;|\t\n\v\f\r")


def harmless(cell: str) -> str:
    """Return a cell that no workbook runs."""
    return f"'{cell}" if _DANGEROUS.match(cell) else cell


def harmless_in_csv(cell: str) -> str:
    """Return a cell that no spreadsheet runs, wherever it splits the line."""
    return harmless(_INSIDE.sub(_with_apostrophe, cell))


def _with_apostrophe(found: re.Match[str]) -> str:
    return found[0] if _SEPARATORS.isdisjoint(found[1]) else f"{found[1]}'{found[2]}"
