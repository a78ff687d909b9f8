"""Text that somebody else wrote, stored as it came, shown without what a terminal would obey. Pure."""

from __future__ import annotations

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of the text around them: 'exe.gpj' reads 'jpg.exe'."""

LONGEST_QUOTE = 100
"""Characters of somebody's input that an error quotes."""

_LINES = "\u2028\u2029\x85"
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), *map(ord, BIDI + _LINES)]
_ESCAPED = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _CONTROLS}
_ESCAPED |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
_IN_LINES = {code: shown for code, shown in _ESCAPED.items() if code not in map(ord, "\n\t")}
# What XML cannot carry, and what Excel would show as something else.
_REPLACED = {code: "\ufffd" for code in (*_CONTROLS, 0xFFFE, 0xFFFF) if code not in map(ord, "\n\r\t")}
_IN_JSON = {code: f"\\u{code:04x}" for code in _CONTROLS if code not in range(0x20)}


def shown(text: str) -> str:
    """`text` on one line: control characters, line ends and turns of direction as `\\x1b`, `\\n`, `\\u202e`."""
    return text.translate(_ESCAPED)


def shown_lines(text: str) -> str:
    """The same for words of our own that quote others': line ends and tabs stay."""
    return text.translate(_IN_LINES)


def in_json(written: str) -> str:
    """JSON that a terminal shows as it is; a program reads the same values."""
    return written.translate(_IN_JSON)


def in_sheet(text: str) -> str:
    """`text` for a cell of a workbook: the file cannot hold these characters, so a replacement stands for each."""
    return text.translate(_REPLACED)


def quoted(text: str) -> str:
    """The beginning of somebody's input, as an error quotes it."""
    return repr(text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}...")
