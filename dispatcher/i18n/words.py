"""A sentence in the reader's language: the English one is the key, and values come in as named fields.

The language is given, or else that of the context: a command sets it once, a request of the HTTP API for itself alone.
"""

from __future__ import annotations

import io
import string
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import GNUTranslations
from importlib.resources import files
from typing import Any, Literal, get_args

Language = Literal["es", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_current: ContextVar[Language] = ContextVar("language", default="en")


def current() -> Language:
    """The language of this context: English, unless somebody chose another."""
    return _current.get()


def speak(language: Language) -> None:
    """Choose the language of this context."""
    _current.set(language)


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Choose the language for a while."""
    before = _current.set(language)
    try:
        yield
    finally:
        _current.reset(before)


def of_locale() -> Language:
    """The language of the user's locale: Spanish where that is Spanish, else English."""
    from babel import default_locale  # only commands ask

    try:
        return "es" if (default_locale("LC_MESSAGES") or "").startswith("es") else "en"
    except ValueError:  # LANG says something that is no locale
        return "en"


def translated(sentence: str, language: Language | None = None) -> str:
    """Return a sentence of the code in the reader's language, with its fields still in braces."""
    # The catalog's entry for no words at all is its header.
    return sentence if not sentence or (language or current()) == "en" else _catalog().gettext(sentence)


def worded(sentence: str, language: Language | None = None, /, **values: Any) -> str:
    """Return a sentence of the code in the reader's language, with its fields filled in."""
    language = language or current()
    return _FORMATTERS[language].vformat(translated(sentence, language), (), values)


def counted(n: int, one: str, many: str) -> str:
    """Return `one` or `many`, sentences of the code with a field `n`, in the reader's language."""
    return worded(one if n == 1 else many, n=n)


class _English(string.Formatter):
    pass


class _Spanish(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> Any:
        """Write 1,234 as 1.234."""
        shown = super().format_field(value, format_spec)
        return shown.translate(_SIGNS) if format_spec.startswith(",") else shown


_SIGNS = str.maketrans(",.", ".,")
_FORMATTERS: dict[Language, string.Formatter] = {"en": _English(), "es": _Spanish()}


@lru_cache(maxsize=1)
def _catalog() -> GNUTranslations:
    from babel.messages.mofile import write_mo  # English, the workers' language, needs none of it
    from babel.messages.pofile import read_po

    with files("dispatcher.i18n").joinpath("catalogs/es.po").open("rb") as source:
        catalog = read_po(source, locale="es", abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return GNUTranslations(compiled)
