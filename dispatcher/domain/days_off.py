"""Days on which a campaign sends nothing: national holidays of Argentina, and days that its owner names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

HOLIDAYS = "holidays"
"""The word that stands for every national holiday of Argentina."""

_WORDS = {HOLIDAYS: HOLIDAYS, "feriados": HOLIDAYS}
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class DaysOff:
    """Closed days by the provider's calendar; `names` are `holidays` and days as `2026-12-24`."""

    names: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, given: Iterable[str]) -> DaysOff:
        """Read `holidays` (or `feriados`) and days; each text may hold several, divided by commas.

        Raises:
            ValueError: a word that is neither, a day that does not exist, or too many of them.
        """
        words = [word.strip() for text in given for word in text.split(",")]
        names = frozenset(_read(word) for word in words if word)
        if len(names) > MOST_DAYS:
            raise ValueError(f"names more than {MOST_DAYS} days")
        return cls(names)

    def __bool__(self) -> bool:
        """Whether any day is closed."""
        return bool(self.names)

    def __str__(self) -> str:
        """The names, `holidays` first."""
        return ", ".join(self.listed())

    def listed(self) -> list[str]:
        """The names, `holidays` first, days in order."""
        return sorted(self.names, key=lambda name: (name != HOLIDAYS, name))

    def closed(self, day: date) -> bool:
        """Whether nothing may go on `day`."""
        return day.isoformat() in self.names or (HOLIDAYS in self.names and day in _holidays(day.year))


def names_of(first: date, last: date) -> list[str]:
    """Every name that one of the days from `first` to `last` goes by: a campaign that names one of them must wait."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    found = [day.isoformat() for day in days]
    return [*found, HOLIDAYS] if any(day in _holidays(day.year) for day in days) else found


def read_ahead() -> None:
    """Read the package of holidays now, so that no claim waits for it."""
    _holidays(date.today().year)


def _read(word: str) -> str:
    known = _WORDS.get(word.lower())
    if known is not None:
        return known
    if not _DAY.fullmatch(word):
        raise ValueError(f"has {word[:40]!r}, which is neither holidays nor a day like 2026-12-24")
    try:
        return date.fromisoformat(word).isoformat()
    except ValueError:
        raise ValueError(f"has the day {word}, which does not exist") from None


@cache
def _holidays(year: int) -> frozenset[date]:
    """National holidays, with the bridge days that the government adds. The package takes a third of a second to read:
    commands that need no holiday do without it, and workers read it before they take tasks.
    """
    from holidays.countries.argentina import Argentina

    return frozenset(Argentina(years=year))
