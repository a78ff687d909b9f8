"""Days as people write them: `31/12/2026`, `31 de diciembre de 2026`, `Dec 31, 2026`. Pure."""

from __future__ import annotations

import datetime
import re
import unicodedata

from dispatcher.domain.window import PROVIDER_ZONE

_TIME = r"(?:[ T,]{1,2}.{0,30})?"
_DAY_FIRST = re.compile(rf"([0-9]{{1,2}})[/.\-]([0-9]{{1,2}})[/.\-]([0-9]{{4}}|[0-9]{{2}}){_TIME}")
_YEAR_FIRST = re.compile(r"([0-9]{4})[/.\-]([0-9]{1,2})[/.\-]([0-9]{1,2})")
_COMPACT = re.compile(r"((?:19|20)[0-9]{2})([0-9]{2})([0-9]{2})")
_NAMED = re.compile(
    rf"([0-9]{{1,2}})(?: de | ?[/.\-] ?| )([a-z]{{3,10}})\.?(?: del? |,? ?[/.\-] ?|,? )([0-9]{{4}}|[0-9]{{2}}){_TIME}"
)
_NAME_FIRST = re.compile(rf"([a-z]{{3,10}})\.? ([0-9]{{1,2}}),? ([0-9]{{4}}){_TIME}")
_WEEKDAY = re.compile(r"(?:lun|mar|mie|jue|vie|sab|dom|mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}\.?,? ")
_MONTHS = (
    *("enero|january", "febrero|february", "marzo|march", "abril|april", "mayo", "junio|june", "julio|july"),
    *("agosto|august", "septiembre|setiembre|september", "octubre|october", "noviembre|november", "diciembre|december"),
)
_SHORT = {"sept": 9, "set": 9, "may": 5}

MONTH_FIRST = r"^\s*(?:0?[1-9]|1[0-2])[/.\-](?:1[3-9]|2[0-9]|3[01])[/.\-](?:[0-9]{4}|[0-9]{2})(?:[ T]|$)"
"""A date that can only have its month first, as people in the United States write."""


def day_of(written: str) -> datetime.date | None:
    """Return the day that a text says, and None when it says none for certain."""
    try:
        return _day(written)
    except (ValueError, OverflowError):
        return None


def _day(written: str) -> datetime.date:
    if found := _DAY_FIRST.fullmatch(written):
        return datetime.date(_year(found[3]), int(found[2]), int(found[1]))
    if found := _YEAR_FIRST.fullmatch(written) or _COMPACT.fullmatch(written):
        return datetime.date(int(found[1]), int(found[2]), int(found[3]))
    if any(char.isalpha() for char in written) and (day := _worded(written)):
        return day
    moment = datetime.datetime.fromisoformat(written)
    return (moment if moment.tzinfo is None else moment.astimezone(PROVIDER_ZONE)).date()


def _worded(written: str) -> datetime.date | None:
    plain = unicodedata.normalize("NFKD", written.casefold())
    plain = " ".join("".join(char for char in plain if not unicodedata.combining(char)).split())
    without = _WEEKDAY.sub("", plain, count=1)
    if without != plain and (found := _DAY_FIRST.fullmatch(without)):
        return datetime.date(_year(found[3]), int(found[2]), int(found[1]))
    if found := _NAMED.fullmatch(without):
        return datetime.date(_year(found[3]), _month(found[2]), int(found[1]))
    if found := _NAME_FIRST.fullmatch(without):
        return datetime.date(int(found[3]), _month(found[1]), int(found[2]))
    return None


def _year(digits: str) -> int:
    return int(digits) + (0 if len(digits) == 4 else 2000 if int(digits) < 70 else 1900)


def _month(name: str) -> int:
    """Return the number of a month by its name, or the first three letters of it; ValueError for anything else."""
    if name in _SHORT:
        return _SHORT[name]
    for number, names in enumerate(_MONTHS, 1):
        if any(name in (each, each[:3]) for each in names.split("|")):
            return number
    raise ValueError(name)
