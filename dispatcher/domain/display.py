"""Text that somebody else wrote, stored as it came, shown without what a terminal would obey. Pure."""

from __future__ import annotations

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of the text around them: 'exe.gpj' reads 'jpg.exe'."""

_INVISIBLE = [
    *(0xAD, 0x115F, 0x1160, 0x180E, 0x3164, 0xFEFF, 0xFFA0, 0x110BD, 0x110CD),
    *(*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2),
    *(*range(0x200B, 0x200E), *range(0x2060, 0x2066), *range(0x206A, 0x2070), *range(0xFFF9, 0xFFFC)),
    *(*range(0x13430, 0x13440), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE0080)),
]
"""What takes no place: two names that differ in it alone look the same."""

LONGEST_QUOTE = 100
"""Characters of somebody's input that an error quotes."""

_LINES = "\u2028\u2029\x85"
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), *map(ord, BIDI + _LINES)]
_ESCAPED = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    for code in (*_CONTROLS, *_INVISIBLE)
}
_ESCAPED |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
# What XML cannot carry, and what Excel would show as something else.
_REPLACED = {code: "\ufffd" for code in (*_CONTROLS, 0xFFFE, 0xFFFF) if code not in map(ord, "\n\r\t")}
_IN_JSON = {code: f"\\u{code:04x}" for code in _CONTROLS if code not in range(0x20)}


def shown(text: str) -> str:
    """`text` on one line: controls, line ends, turns of direction and the invisible as `\\x1b`, `\\n`, `\\u202e`."""
    return text.translate(_ESCAPED)


def in_json(written: str) -> str:
    """JSON that a terminal shows as it is; a program reads the same values."""
    return written.translate(_IN_JSON)


def in_sheet(text: str) -> str:
    """`text` for a cell of a workbook: the file cannot hold these characters, so a replacement stands for each."""
    return text.translate(_REPLACED)


def quoted(text: str) -> str:
    """The beginning of somebody's input, as an error quotes it."""
    return repr(text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}...")
