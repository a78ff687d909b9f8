"""The pages of a certificate: A4, the standard fonts of every reader, a foot with the page and the hash."""

from __future__ import annotations

import secrets

from fpdf import FPDF

from dispatcher.domain.display import shown
from dispatcher.i18n.words import current, worded

_ENCODING = "cp1252"
_MARGIN = 18
_LINE = 5.0
_NAME_WIDTH = 48.0


class Paper(FPDF):
    """A document that is written from top to bottom."""

    def __init__(self, title: str, foot: str) -> None:
        """An empty first page under its title."""
        super().__init__(format="A4")
        self._foot = foot
        self.core_fonts_encoding = _ENCODING
        self.set_margins(_MARGIN, _MARGIN)
        self.set_auto_page_break(True, margin=22)
        self.set_title(written(title))
        self.set_lang("es-AR" if current() == "es" else "en")
        self.set_creator("dispatcher")
        # A mark of this document alone: no text that somebody wrote is taken for it.
        self.alias_nb_pages(f"|{secrets.token_hex(6)}|")
        self.add_page()
        self.set_font("helvetica", "B", 16)
        self.multi_cell(0, 8, written(title), new_x="LMARGIN", new_y="NEXT", align="L")
        self.ln(2)

    def footer(self) -> None:
        """The page, of how many, and what document this is."""
        self.set_y(-15)
        self.set_font("helvetica", "", 7)
        self.set_text_color(90)
        page = worded("page {n} of {all}", n=self.page_no(), all=self.str_alias_nb_pages or "?")
        self.cell(0, 4, written(f"{self._foot} · {page}"), align="C")
        self.set_text_color(0)

    def heading(self, words: str) -> None:
        """A heading."""
        self.ln(3)
        self.set_font("helvetica", "B", 11)
        self.multi_cell(0, 6, written(words), new_x="LMARGIN", new_y="NEXT", align="L")

    def facts(self, pairs: list[tuple[str, str]]) -> None:
        """Names with their values, one under the other."""
        for name, value in pairs:
            self.set_font("helvetica", "", 9)
            self.set_text_color(90)
            top = self.get_y()
            self.multi_cell(_NAME_WIDTH, _LINE, written(name), new_x="RIGHT", new_y="TOP", align="L")
            under = top + _LINE
            self.set_text_color(0)
            self.multi_cell(0, _LINE, written(value or "-"), new_x="LMARGIN", new_y="NEXT", align="L")
            self.set_y(max(under, self.get_y()))

    def paragraph(self, words: str, *, size: int = 9) -> None:
        """A few sentences."""
        self.set_font("helvetica", "", size)
        self.multi_cell(0, _LINE, written(words), new_x="LMARGIN", new_y="NEXT", align="L")
        self.ln(1)

    def code(self, words: str) -> None:
        """A hash, in letters of one width."""
        self.set_font("courier", "", 9)
        self.multi_cell(0, _LINE, written(words), new_x="LMARGIN", new_y="NEXT", align="L")


def written(words: str) -> str:
    """What the standard fonts have: a question mark stands for any other character."""
    return shown(words).encode(_ENCODING, "replace").decode(_ENCODING)
