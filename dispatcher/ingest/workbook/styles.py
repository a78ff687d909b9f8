"""The styles of a workbook: how each style of a cell shows numbers and texts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from dispatcher.ingest.workbook.format_dates import OVERFLOW
from dispatcher.ingest.workbook.format_sections import Renderer
from dispatcher.ingest.workbook.formats import BUILT_IN, general, renderer, text_frame
from dispatcher.ingest.workbook.xml import Element

_CACHED = 20_000
NO_NUMBER = "#NUM!"
"""What a cell shows that says it holds a number, and holds `NaN` or a word: some programs write so."""


@dataclass
class Style:
    """How the cells of one style look.

    Attributes:
        code: the number format.
        render: what shows a number in it; None for a number without a format.
        rendered: whether the format is known here.
        frame: what stands around a text.
        unrendered: cells that were shown without their format.
    """

    code: str = "General"
    render: Renderer | None = None
    rendered: bool = True
    frame: tuple[str, str] | None = None
    unrendered: int = 0
    _shown: dict[str, str] = field(default_factory=dict)

    def number(self, raw: str) -> str:
        """Return the number `raw` as its cell shows it; NO_NUMBER when it is none."""
        if self.render is None and raw.isdigit() and len(raw) <= 15 and (raw[0] != "0" or raw == "0"):
            self.unrendered += not self.rendered
            return raw
        shown = self._shown.get(raw)
        if shown is None:
            shown = self._number(raw)
            if len(self._shown) < _CACHED:
                self._shown[raw] = shown
        self.unrendered += not self.rendered
        return shown

    def _number(self, raw: str) -> str:
        try:
            value = float(raw)
        except ValueError:
            return NO_NUMBER
        if not math.isfinite(value):
            return NO_NUMBER
        if self.render is None:
            return general(value)
        try:
            return self.render(value)
        except (ValueError, ArithmeticError):
            return OVERFLOW


def read_styles(elements: Iterable[Element], *, from_1904: bool) -> list[Style]:
    """Return the styles of cells, by their number."""
    codes = dict(BUILT_IN)
    cells: list[int] = []
    for each in elements:
        if each.tag == "numFmt" and each.parent == "numFmts":
            codes[_int(each.attributes.get("numFmtId"))] = each.attributes.get("formatCode", "")
        elif each.tag == "xf" and each.parent == "cellXfs":
            cells.append(_int(each.attributes.get("numFmtId")))
    known = {number: _style(number, codes, from_1904) for number in set(cells)}
    return [known[number] for number in cells]


def _style(number: int, codes: dict[int, str], from_1904: bool) -> Style:
    code = codes.get(number, "General" if number < 27 or number > 58 else "dd/mm/yyyy")
    if code.lower() in ("general", "@", "") or len(code) > 1_000:
        return Style(code)
    render = renderer(code, from_1904=from_1904)
    return Style(code, render, render is not None, text_frame(code))


def _int(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0
