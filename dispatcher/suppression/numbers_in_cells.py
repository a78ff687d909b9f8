"""Every number of a cell of an opt-out list. Pure.

A campaign needs the one number that a message goes to, and refuses a cell that holds more. An opt-out needs all of
them: a number that is overlooked goes on getting messages. What people note beside it (`pidió baja`) changes nothing.
"""

from __future__ import annotations

import re

from dispatcher.domain import phone
from dispatcher.domain.phone import PhoneProblem
from dispatcher.ingest import cells

_LONGEST = 2_000
"""Characters of a cell that are looked at."""

_PIECE = re.compile(r"\+?\(?[0-9](?:[0-9 ().\-]{0,40}[0-9])?")
_LEAST_DIGITS = 6


def numbers_in(cell: str, country: str, area: str | None = None) -> tuple[list[str], PhoneProblem | None]:
    """Return the numbers of a cell, each once, and what is wrong with the cell when it holds none, or a bad one."""
    whole = phone.normalise(cell, country, area=area)
    if isinstance(whole, str):
        return [whole], None
    text = cell.strip()[:_LONGEST]
    if whole.reason == "number_empty" or cells.is_word(text):
        return [], PhoneProblem("number_empty", {"digits": phone.PLANS[country].digits})
    if cells.shows_error(text):
        return [], PhoneProblem("formula_error", {"columns": [], "words": [text]})
    found = max(phone.several_numbers(text, country, area), _pieces(text, country, area), key=_goodness)
    good = list(dict.fromkeys(number for number in found if isinstance(number, str)))
    if not good:
        return [], whole
    return good, next((number for number in found if isinstance(number, PhoneProblem)), None)


def _pieces(text: str, country: str, area: str | None) -> list[str | PhoneProblem]:
    """Read whatever in a text has enough digits for a number."""
    found: list[str | PhoneProblem] = []
    for piece in _PIECE.findall(text):
        if sum(map(str.isdigit, piece)) < _LEAST_DIGITS:
            continue
        number = phone.normalise(piece, country, area=area)
        found += [number] if isinstance(number, str) else phone.several_numbers(piece, country, area) or [number]
    return found


def _goodness(found: list[str | PhoneProblem]) -> int:
    return sum(isinstance(number, str) for number in found)
