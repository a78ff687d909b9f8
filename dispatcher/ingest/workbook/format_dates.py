"""Number formats of dates and times, and the moment that a number stands for. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import replace

from babel.dates import format_datetime

from dispatcher.ingest.workbook.format_sections import Beyond, Renderer, Section, Token

OVERFLOW = "########"
"""What a cell shows that cannot show its value: a date before 1900, say."""

_DAY = 86_400
_ELAPSED = re.compile("\ue000(h+|m+|s+)\ue001")
_UNITS = {"h": 3600, "m": 60, "s": 1}


def moment_of(value: float, from_1904: bool) -> datetime.datetime | datetime.date | datetime.time:
    """Return the moment that a number stands for, to the second; ValueError (OVERFLOW) when there is none."""
    seconds = round(value * _DAY)
    days, rest = divmod(seconds, _DAY)
    clock = datetime.datetime.min + datetime.timedelta(seconds=rest)
    if 0 <= days < 1 and not from_1904:
        return clock.time()
    if not 0 <= days < 2_958_466:
        raise ValueError(OVERFLOW)
    first = datetime.datetime(1904, 1, 1) if from_1904 else datetime.datetime(1899, 12, 30 + (days < 60))
    return first + datetime.timedelta(days=days, seconds=rest)


def dates(section: Section, from_1904: bool) -> Renderer:
    """Return what renders dates and times as this section says."""
    if section.has("digits", "exponent", "percent", "general", "text"):
        raise Beyond("a date with digits")
    section = _day_first(section)
    pattern = _cldr(section)
    has_day = any(token.kind == "date" and _is_day(section, at) for at, token in enumerate(section.tokens))
    language = section.language

    def render(value: float) -> str:
        elapsed = round(value * _DAY)
        if elapsed < 0:
            raise ValueError(OVERFLOW)
        if has_day and not from_1904 and 0 <= value < 1:
            return ""  # the day 0: a formula that looks at an empty cell
        moment = moment_of(value, from_1904)
        if isinstance(moment, datetime.time):
            moment = datetime.datetime.combine(datetime.date(1899, 12, 30), moment)
        assert isinstance(moment, datetime.datetime)
        shown = format_datetime(moment, pattern, locale=language)
        return _ELAPSED.sub(lambda found: str(elapsed // _UNITS[found[1][0]]).zfill(len(found[1])), shown)

    return render


def _is_day(section: Section, at: int) -> bool:
    """Tell whether a token is a day or a year; months are written like minutes."""
    return section.tokens[at].text[0].lower() in "dy"


def _day_first(section: Section) -> Section:
    """Put the day before the month in a date of digits: `mm/dd/yyyy` would be read as another day here."""
    places = [at for at, token in enumerate(section.tokens) if token.kind == "date"][:3]
    texts = [section.tokens[at].text.lower() for at in places]
    if [text[0] for text in texts] != ["m", "d", "y"] or max(len(texts[0]), len(texts[1])) > 2:
        return section
    tokens = list(section.tokens)
    tokens[places[0]], tokens[places[1]] = tokens[places[1]], tokens[places[0]]
    return replace(section, tokens=tokens)


def _cldr(section: Section) -> str:
    """Return the pattern that Babel takes for a date."""
    if section.system == "F800":
        return "EEEE, d 'de' MMMM 'de' y"
    if section.system == "F400":
        return "HH:mm:ss"
    half = section.has("half")
    pieces: list[str] = []
    timed = False  # an m behind hours is minutes
    for at, token in enumerate(section.tokens):
        text = token.text.lower()
        if token.kind == "date":
            piece = _date_piece(section.tokens, at, text, half=half, timed=timed)
            pieces.append(piece)
            timed = text[0] == "h" or (timed and piece[0] not in "myd")
        elif token.kind == "elapsed":
            pieces.append(f"'\ue000{text}\ue001'")
            timed = text[0] in "hm"
        elif token.kind == "half":
            pieces.append("a")
        else:
            pieces.append("'" + token.text.replace("'", "''") + "'")
    return "".join(pieces)


def _date_piece(tokens: Sequence[Token], at: int, text: str, *, half: bool, timed: bool) -> str:
    letter, length = text[0], len(text)
    if letter == "y":
        return "yy" if length <= 2 else "yyyy"
    if letter == "d":
        return ("d", "dd", "EEE", "EEEE")[min(length, 4) - 1]
    if letter == "h":
        return ("h" if half else "H") * min(length, 2)
    if letter == "s":
        seconds, _, tenths = text.partition(".")
        return "s" * min(len(seconds), 2) + ("," + "S" * len(tenths) if tenths else "")
    following = next((token.text.lower()[0] for token in tokens[at + 1 :] if token.kind in ("date", "elapsed")), "")
    if length <= 2 and (timed or following == "s"):
        return "m" * length
    return "M" * min(length, 5)
