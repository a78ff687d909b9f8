"""Which column a name means: the exact name first, then without regard to case, accents and blanks. Pure."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence

from dispatcher.domain.phone import PhoneProblem, normalise
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded

NUMBER_COLUMNS = ("telefono", "celular", "destino", "phone", "tos")
"""The headings of the number's column, the first one first."""

_NUMBER_WORDS = {
    **dict.fromkeys(("telefono", "telefonos", "tel", "tels", "fono"), 0),
    **dict.fromkeys(
        ("celular", "celulares", "cel", "cels", "movil", "moviles", "mobile", "mobiles", "cell", "cellphone"), 1
    ),
    **dict.fromkeys(("destino", "destinos"), 2),
    **dict.fromkeys(("phone", "phones", "telephone", "msisdn"), 3),
    "tos": 4,
    **dict.fromkeys(("whatsapp", "wsp", "wpp", "wapp", "wa"), 5),
}
_WORDS_BESIDE = frozenset(
    (
        *("n", "no", "nro", "num", "numero", "numeros", "number", "nr", "de", "del", "el", "la", "los", "las"),
        *("contacto", "contact", "cliente", "titular", "principal", "personal", "particular", *"123456789"),
        *("laboral", "trabajo", "alternativo", "value", "valor", "para", "sms", "aviso", "avisos", "envio", "envios"),
    )
)


_IN_BRACKETS = re.compile(r"[(\[][^()\[\]]{0,80}[)\]]")
_CAMEL_CASE = re.compile(r"(?<=[a-zñáéíóúü])(?=[A-ZÑÁÉÍÓÚ])")


class NoNumberColumn(UsageError):
    """No heading is known to stand above numbers."""


INVALID_COLUMNS = ("motivo", "que_hacer", "linea")
"""What a file of invalid rows has behind the columns of its list: why, what to do, the line of the list."""


def fold(name: str) -> str:
    """Return `name` normalised for comparison: no accents, no invisible marks, one case, single blanks."""
    parts = unicodedata.normalize("NFKD", name[:1000])  # a run of accents takes quadratic time
    kept = (part for part in parts if not unicodedata.combining(part) and unicodedata.category(part) != "Cf")
    return " ".join("".join(kept).casefold().split())


def find(name: str, columns: Sequence[str]) -> int | None:
    """Return the position of the column called `name`, or None.

    Raises UsageError when the name fits several columns; a repeated heading that nobody uses does not matter.
    """
    for matches in (
        [i for i, column in enumerate(columns) if column == name],
        [i for i, column in enumerate(columns) if fold(column) == fold(name)],
    ):
        if len(matches) > 1:
            raise UsageError(
                worded(
                    "the file has {matches} columns called {name!r}, in positions {positions}",
                    matches=len(matches),
                    name=name,
                    positions=", ".join(str(i + 1) for i in matches),
                ),
                hint=translated("give the columns different headings"),
            )
        if matches:
            return matches[0]
    return None


def require(name: str, columns: Sequence[str], asked_by: str) -> int:
    """Return the position of the column called `name`; UsageError, with the nearest heading, if there is none."""
    position = find(name, columns)
    if position is None:
        _refuse_recipients(columns)
        raise UsageError(
            worded(
                "{asked_by} names the column {name!r}, which the file does not have; it has {columns}",
                asked_by=translated(asked_by),
                name=name,
                columns=listed(columns),
            ),
            hint=_nearest(name, columns),
        )
    return position


def number_columns(columns: Sequence[str], asked: str | None) -> list[int]:
    """Return the positions of the columns that may hold the number, the one to take first.

    Those are the columns asked for (`celular, telefono`); else the first of NUMBER_COLUMNS, and behind it whatever else
    is called like a number: `Nº Celular`, `Tel. contacto`, `phone_number`.
    """
    if asked is not None:
        if find(asked, columns) is not None:
            return [require(asked, columns, "--to-column (to_column)")]
        names = [name.strip() for name in asked.split(",")]
        return list(dict.fromkeys(require(name, columns, "--to-column (to_column)") for name in names))
    exact = [at for name in NUMBER_COLUMNS if (at := find(name, columns)) is not None]
    ranked = sorted((rank, at) for at, name in enumerate(columns) if (rank := _number_rank(name)) is not None)
    found = list(dict.fromkeys([*exact, *(at for _, at in ranked)]))
    if not found:
        _refuse_recipients(columns)
        raise NoNumberColumn(
            worded(
                "no column holds the number: none is called {known}; the file has {columns}",
                known=", ".join(NUMBER_COLUMNS),
                columns=listed(columns),
            ),
            hint=translated(
                "name the number's column with --to-column (to_column); the first line of a file is its headings"
            ),
        )
    return found


def _number_rank(heading: str) -> int | None:
    """Tell how well a heading names a number, the smallest best; None when it does not."""
    bare = _IN_BRACKETS.sub(" ", heading[:200])  # `Teléfono (con código de área)`
    ranks = (_rank_of_words(bare), _rank_of_words(_CAMEL_CASE.sub(" ", bare)))  # `WhatsApp`, `telefonoCelular`
    return next((rank for rank in ranks if rank is not None), None)


def _rank_of_words(heading: str) -> int | None:
    words = re.findall("[a-z]+|[0-9]+", fold(heading))
    nouns = [word for word in words if word in _NUMBER_WORDS]
    if not nouns or any(word not in _NUMBER_WORDS and word not in _WORDS_BESIDE for word in words):
        return None
    return min(_NUMBER_WORDS[noun] for noun in nouns)


def heads_numbers(heading: str) -> bool:
    """Tell whether a heading is known to stand above numbers."""
    return _number_rank(heading) is not None


def _refuse_recipients(columns: Sequence[str]) -> None:
    """Raise UsageError when what should be headings is the first recipient; the sentence names none of its values."""
    if any(not isinstance(normalise(name), PhoneProblem) for name in columns if name):
        raise UsageError(
            translated("the list has no headings: a number stands where they should be"),
            hint=translated("write the names of the columns into a line above, such as telefono and nombre"),
        )


def came_back(columns: Sequence[str]) -> bool:
    """Tell whether these are the headings of a file of invalid rows, which is loaded again once it is mended."""
    return {fold(name) for name in columns} >= set(INVALID_COLUMNS)


def listed(columns: Sequence[str]) -> str:
    """Return the headings for a sentence, at most 30 of them."""
    names = [repr(column[:40]) for column in columns[:30]]
    more = worded(" and {n} more", n=len(columns) - 30) if len(columns) > 30 else ""
    return ", ".join(names) + more if names else translated("no columns")


def _nearest(name: str, columns: Sequence[str]) -> str:
    by_fold = {fold(column): column for column in columns}
    near = difflib.get_close_matches(fold(name), list(by_fold), n=1)
    if not near:
        return translated("use one of the columns of the file")
    return worded("did you mean {column!r}?", column=by_fold[near[0]])
