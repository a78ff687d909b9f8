"""Moments as a person at a terminal writes them: '+2h', 'mañana 9:00', 'lunes 10:30', '2026-12-01 09:00'.

Only the command line knows them. What other services hand in is read later, perhaps more than once: tomorrow may be
another day then.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta

from dispatcher.cli.output import Output
from dispatcher.domain.window import PROVIDER_ZONE, parse_moment, provider_local
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded

_DAYS = {"hoy": 0, "today": 0, "manana": 1, "tomorrow": 1, "pasado manana": 2, "day after tomorrow": 2}
_WEEKDAYS = (
    ("lunes", "monday"),
    ("martes", "tuesday"),
    ("miercoles", "wednesday"),
    ("jueves", "thursday"),
    ("viernes", "friday"),
    ("sabado", "saturday"),
    ("domingo", "sunday"),
)
_NUMBER_OF = {name: number for number, names in enumerate(_WEEKDAYS) for name in names}

_LATER = re.compile(r"\+ ?(?=\d)(?:(\d{1,3}) ?d)? ?(?:(\d{1,4}) ?h)? ?(?:(\d{1,5}) ?m(?:in)?)?", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d{1,2}):(\d\d)", re.ASCII)
_WHOLE_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAY = re.compile(r"([a-z ]{3,20}?),?(?: a las| at)? (\d{1,2})(?::(\d\d))? ?(?:hs?\.?)?", re.ASCII)
_LONGEST = 40


def absolute(text: str | None, what: str, now: datetime | None = None) -> str | None:
    """The moment in the form that everything else knows; what is in no form of this file stays as it is.

    Raises:
        UsageError: it has passed, or does not exist.
    """
    if text is None or len(text) > _LONGEST:
        return text
    now = provider_local(now or datetime.now(UTC))
    found = _read(_plain(text), what, now)
    if found is None:
        return text
    if found <= now:
        raise UsageError(
            worded("{what}: {text!r} is {moment}, which has passed.", what=what, text=text, moment=in_full(found)),
            hint=translated("Leave it out to begin now."),
        )
    return found.strftime("%Y-%m-%d %H:%M:%S")


def understood(output: Output, text: str | None, what: str) -> str | None:
    """The same, repeated in full when it was read from words."""
    moment = absolute(text, what)
    if moment is not None and moment != text:
        full = in_full(datetime.strptime(moment, "%Y-%m-%d %H:%M:%S").replace(tzinfo=PROVIDER_ZONE))
        output.note(worded("{what}: {moment}, Argentine time.", what=what, moment=full))
    return moment


def since(text: str) -> datetime:
    """A moment that may have passed: '2026-12-01', '2026-12-01 09:00', or what the API takes. In UTC.

    Raises:
        UsageError: it has another form, or does not exist.
    """
    plain = " ".join(text.split())
    if _WHOLE_DAY.fullmatch(plain):
        plain += " 00:00"
    if found := _DATE.fullmatch(plain):
        plain = f"{found[1]}-{found[2]}-{found[3]} {int(found[4]):02}:{found[5]}:00"
    return parse_moment(plain, "since")


def in_full(moment: datetime) -> str:
    """A moment with its weekday, by Argentine time."""
    local = provider_local(moment)
    return f"{translated(_WEEKDAYS[local.weekday()][1].capitalize())} {local:%Y-%m-%d %H:%M}"


def _plain(text: str) -> str:
    """Lower case, without accents, blanks made one."""
    bare = "".join(char for char in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(char))
    return " ".join(bare.split())


def _read(text: str, what: str, now: datetime) -> datetime | None:
    if found := _LATER.fullmatch(text):
        days, hours, minutes = (int(part or 0) for part in found.groups())
        return (now + timedelta(days=days, hours=hours, minutes=minutes)).replace(microsecond=0)
    if found := _DATE.fullmatch(text):
        year, month, day, hour, minute = map(int, found.groups())
        return _moment(what, text, year, month, day, hour, minute)
    if not (found := _DAY.fullmatch(text)):
        return None
    name, hour, minute = found[1], int(found[2]), int(found[3] or 0)
    if name in _DAYS:
        on = now.date() + timedelta(days=_DAYS[name])
    elif name in _NUMBER_OF:
        on = now.date() + timedelta(days=(_NUMBER_OF[name] - now.weekday()) % 7)
    else:
        return None
    moment = _moment(what, text, on.year, on.month, on.day, hour, minute)
    return moment + timedelta(days=7) if name in _NUMBER_OF and moment <= now else moment


def _moment(what: str, text: str, year: int, month: int, day: int, hour: int, minute: int) -> datetime:
    try:
        return datetime.combine(date(year, month, day), time(hour, minute), PROVIDER_ZONE)
    except ValueError:
        raise UsageError(worded("{what}: {text!r} is not a date that exists.", what=what, text=text)) from None
