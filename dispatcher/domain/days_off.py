"""Days on which a campaign sends nothing: national holidays of Argentina, and days that its owner names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

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


def read_apart() -> None:
    """Read this year's and the next one's holidays in a process that ends, so that none of ours holds the package."""
    years = (date.today().year, date.today().year + 1)
    done = subprocess.run(
        [sys.executable, "-c", _READ, *map(str, years)], check=True, stdout=subprocess.PIPE, text=True
    )
    found = [date.fromisoformat(day) for day in done.stdout.split()]
    _known.update({year: frozenset(day for day in found if day.year == year) for year in years})


_READ = """
import sys
from holidays.countries.argentina import Argentina
print(*(day.isoformat() for year in sys.argv[1:] for day in Argentina(years=int(year))))
"""


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


def _holidays(year: int) -> frozenset[date]:
    """National holidays, with the bridge days that the government adds.

    The package takes a third of a second to read, and 11 MB: commands that need no holiday do without it, and workers
    read it before they take tasks.
    """
    if year not in _known:
        from holidays.countries.argentina import Argentina

        _known[year] = frozenset(Argentina(years=year))
    return _known[year]


_known: dict[int, frozenset[date]] = {}
