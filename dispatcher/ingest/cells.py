"""What a cell says when it holds no value of its own: a spreadsheet's error, or a program's word for nothing."""

from __future__ import annotations

import re

import polars as pl

_ERRORS = (
    "N/[AD](?: N/[AD])?|[¡¿]?(?:REF|VALUE|VALOR|DIV/0|NULL|NULO|NUM|SPILL|DESBORDAMIENTO|DERRAME|CALC|FIELD|CAMPO"
    "|BLOCKED|BLOQUEADO|CONNECT|CONECTAR|UNKNOWN|DESCONOCIDO|BUSY|OCUPADO|PYTHON|EXTERNAL|EXTERNO|ERROR)!|[¡¿]?(?:NAME|NOMBRE)[?]"
    "|GETTING_DATA|OBTENIENDO_DATOS"
)
_FORMULA = r"=[+\-(]*(?:[A-Za-zÁÉÍÓÚÑáéíóúñ_.$]+[0-9(!:]|[0-9.\"])"
ERROR = rf"(?s)^\s*(?:(?i:#(?:{_ERRORS}|##+))\s*$|Err:[0-9]{{3}}\s*$|=\?$|{_FORMULA})"
"""An error as Excel, LibreOffice and Google show it in English or Spanish, the `####` of a narrow column, and the
text of a formula where its value should be."""

UNSAVED = "=?"
"""What stands for a formula whose value was not saved with the workbook."""

CUT = r"^\s*-?[0-9](?:[.,][0-9]+)?[eE][+\-][0-9]{1,3}\s*$"
"""A number that a spreadsheet wrote with an exponent: `1,5E+03`; its digits are lost, and nobody writes so."""

_WORDS = (
    *("null", "(null)", "<null>", "[null]", "nulo", "(nulo)", "nan", "none", "undefined", "n/a", "<na>", "n/d", "s/d"),
    *("sin dato", "sin datos", "(blank)", "(en blanco)", "vacio", "vacío", "(vacio)", "(vacío)"),
    *("\\n", "-", "--", "---", "–", "—", ".", "...", "?"),
)
WORDS = tuple(dict.fromkeys(form for word in _WORDS for form in (word, word.upper(), word.capitalize())))
"""What programs write for a field without a value, in the cases in which they write it."""
WORDS = (*WORDS, "NaN", "NaT", "NA", "nil", "NIL")  # Nat and Nil are names


_SUSPECT = r"^(?:[#=]|Err:|-?[0-9][^ ]*[eE][+\-])"
_ERROR = re.compile(ERROR)
_WORD_SET = frozenset(WORDS)


def shows_error(text: str) -> bool:
    """Tell whether one cell shows a spreadsheet's error."""
    return _ERROR.match(text) is not None


def is_word(text: str) -> bool:
    """Tell whether one cell holds a word that stands for nothing."""
    return text.strip() in _WORD_SET


def has_error(value: pl.Expr) -> pl.Expr:
    """Tell whether a cell shows a spreadsheet's error."""
    return value.str.contains(ERROR)


def is_empty(value: pl.Expr, *, keep_words: bool) -> pl.Expr:
    """Tell whether a cell is empty, or holds a word that stands for nothing."""
    bare = value.str.strip_chars()
    return bare.is_null() | bare.is_in(["", *(() if keep_words else WORDS)])


def may_lack_value(bare: pl.Expr, *, keep_words: bool) -> pl.Expr:
    """Tell quickly whether a cell, stripped already, may be empty or an error; nothing that is so is missed."""
    words = ["", *(() if keep_words else WORDS)]
    return bare.is_null() | bare.is_in(words) | bare.str.contains(_SUSPECT)
