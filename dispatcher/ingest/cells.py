"""What a cell says when it holds no value of its own: a spreadsheet's error, or a program's word for nothing."""

from __future__ import annotations

import re

import polars as pl

_ERRORS = (
    "N/[AD]|[¡¿]?(?:REF|VALUE|VALOR|DIV/0|NULL|NULO|NUM|SPILL|DESBORDAMIENTO|DERRAME|CALC|FIELD|CAMPO|BLOCKED|BLOQUEADO"
    "|CONNECT|CONECTAR|UNKNOWN|DESCONOCIDO|BUSY|OCUPADO|PYTHON|EXTERNAL|EXTERNO|ERROR)!|[¡¿]?(?:NAME|NOMBRE)[?]"
    "|GETTING_DATA|OBTENIENDO_DATOS"
)
ERROR = rf"^\s*(?:(?i:#(?:{_ERRORS}|##+))|Err:[0-9]{{3}})\s*$"
"""An error as Excel, LibreOffice and Google show it in English or Spanish, and the `####` of a narrow column."""

_WORDS = ("null", "(null)", "<null>", "[null]", "nan", "none", "undefined", "n/a", "n/d", "\\n", "-", "--", "—")
WORDS = tuple(dict.fromkeys(form for word in _WORDS for form in (word, word.upper(), word.capitalize())))
"""What programs write for a field without a value, in the cases in which they write it."""
WORDS = (*WORDS, "NaN")


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
    return bare.is_null() | bare.is_in(words) | bare.str.starts_with("#") | bare.str.starts_with("Err:")
