"""The hours of sending as a setting has them: the same every day, or by weekday."""

from __future__ import annotations

import re
from dataclasses import dataclass

MINUTES_A_DAY = 24 * 60
PROVIDER_OPENS, PROVIDER_CLOSES = 8 * 60, 22 * 60
"""The provider's own hours (guide, "Envío de mensajes vía http", NOTA)."""

_HOURS = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_OF_DAYS = re.compile(r"([a-záé]+)(?:-([a-záé]+))? +(\S+)")
_NAMES = (
    ("mon", "monday", "lun", "lunes"),
    ("tue", "tuesday", "mar", "martes"),
    ("wed", "wednesday", "mie", "mié", "miercoles", "miércoles"),
    ("thu", "thursday", "jue", "jueves"),
    ("fri", "friday", "vie", "viernes"),
    ("sat", "saturday", "sab", "sáb", "sabado", "sábado"),
    ("sun", "sunday", "dom", "domingo"),
)
_WEEKDAY = {name: number for number, names in enumerate(_NAMES) for name in names}


@dataclass(frozen=True, slots=True)
class Hours:
    """The open minutes of a day; `closes` may be after midnight."""

    opens: int
    closes: int

    @property
    def whole_day(self) -> bool:
        """Whether it ends where the same hours begin again on the next day."""
        return self.closes - self.opens >= MINUTES_A_DAY


def read_week(text: str) -> tuple[Hours | None, ...]:
    """The hours of each weekday, Monday first; None where nothing may go.

    `09:00-20:00` holds for all days. In `mon-fri 09:00-20:00, sat 10:00-13:00` days that are not named are closed, and
    no day leaves the provider's own hours. Days are English or Spanish.

    Raises:
        ValueError: another form, an empty window, or a day that is named twice.
    """
    text = text.strip().lower()
    if _HOURS.fullmatch(text):
        return (_hours(text),) * 7
    week: list[Hours | None] = [None] * 7
    for part in text.split(","):
        days, hours = _of_days(part.strip())
        for day in days:
            if week[day] is not None:
                raise ValueError(f"names {_NAMES[day][0]} twice")
            week[day] = hours
    return tuple(week)


def _of_days(part: str) -> tuple[list[int], Hours]:
    match = _OF_DAYS.fullmatch(part)
    if not match:
        raise ValueError("must look like 08:00-22:00 (00:00-24:00 = always) or mon-fri 09:00-20:00, sat 10:00-13:00")
    first = _weekday(match[1])
    last = _weekday(match[2]) if match[2] else first
    hours = _hours(match[3])
    if hours.opens < PROVIDER_OPENS or hours.closes > PROVIDER_CLOSES:
        raise ValueError("must keep to the provider's own hours, 08:00-22:00, where it names days")
    return [(first + n) % 7 for n in range((last - first) % 7 + 1)], hours


def _weekday(name: str) -> int:
    if name not in _WEEKDAY:
        raise ValueError(f"has {name!r}, which is not a weekday: mon, tue, wed, thu, fri, sat, sun (or lun, mar, …)")
    return _WEEKDAY[name]


def _hours(text: str) -> Hours:
    match = _HOURS.fullmatch(text)
    if not match:
        raise ValueError(f"must have hours like 09:00-20:00, not {text!r}")
    h1, m1, h2, m2 = map(int, match.groups())
    opens, closes = h1 * 60 + m1, h2 * 60 + m2
    if m1 > 59 or m2 > 59 or opens >= MINUTES_A_DAY or closes > MINUTES_A_DAY:
        raise ValueError("has an hour or minute that does not exist")
    if opens == closes:
        raise ValueError("is empty: it opens and closes at the same minute")
    return Hours(opens, closes if closes > opens else closes + MINUTES_A_DAY)
