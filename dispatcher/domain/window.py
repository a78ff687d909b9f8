"""When a POST may begin: the sending window with its days off, and the dates that users write, all at GMT-3.

Source: guide, "Envío de mensajes vía http (en tiempo real)", NOTA and FECHADESDE.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock_time

from dispatcher.domain.days_off import DaysOff, names_of
from dispatcher.domain.opening_hours import Hours, read_week
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded

PROVIDER_ZONE = timezone(timedelta(hours=-3))
"""The provider's zone; Argentina keeps -03 all year since 2009."""

_HORIZON = 3_660
"""Days that are searched for open time: more than the most days off together with closed weekdays can take."""

_LONGEST = timedelta(days=60)
"""Open time without a break is told in pieces of this length."""


@dataclass(frozen=True, slots=True)
class Window:
    """When a POST may begin, by the provider's calendar and clock."""

    week: tuple[Hours | None, ...]  # Monday first; None = closed all day
    guard: int = 0  # seconds before closing in which no POST begins
    days_off: DaysOff = field(default_factory=DaysOff)

    @classmethod
    def parse(cls, text: str, guard: int = 0) -> "Window":
        """Read `HH:MM-HH:MM`, or hours by weekday as `mon-fri 09:00-20:00, sat 10:00-13:00`; `00:00-24:00` is always.

        Raises:
            ValueError: another form, or an empty window.
        """
        return cls(read_week(text), guard)

    def without(self, days_off: DaysOff) -> "Window":
        """The same window, closed on these days too."""
        return replace(self, days_off=days_off) if days_off else self

    @property
    def always(self) -> bool:
        """Whether it never closes."""
        return not self.days_off and all(hours is not None and hours.whole_day for hours in self.week)

    @property
    def shortest(self) -> int:
        """Minutes of the shortest open day."""
        return min(hours.closes - hours.opens for hours in self.week if hours is not None)

    def hours_on(self, day: date) -> Hours | None:
        """The hours of a day, its day off apart; None when it is closed."""
        return None if self.days_off.closed(day) else self.week[day.weekday()]

    def opened_at(self, moment: datetime) -> datetime | None:
        """When the open time that holds `moment` began; None when the window is closed then."""
        found = next(self._open_times(moment), None)
        return found[0] if found is not None and found[0] <= moment else None

    def last_start(self, moment: datetime) -> datetime:
        """The instant from which no POST may begin, in the open time that holds `moment`; itself when closed."""
        found = next(self._open_times(moment), None)
        return moment if found is None or found[0] > moment else found[1] - timedelta(seconds=self.guard)

    def allows(self, earliest: datetime, latest: datetime | None = None) -> bool:
        """Whether a POST may begin, when the provider's clock is somewhere in [earliest, latest]."""
        if self.always:
            return True
        return (latest or earliest) < self.last_start(earliest)

    def next_opening(self, moment: datetime) -> datetime:
        """`moment` itself when the window allows it, else the next opening, in UTC."""
        if self.always:
            return moment.astimezone(UTC)
        for opens, closes in self._open_times(moment):
            begins = max(opens, moment)
            if begins < closes - timedelta(seconds=self.guard):
                return begins.astimezone(UTC)
        return (moment + timedelta(days=_HORIZON)).astimezone(UTC)

    def finish(self, start: datetime, sending: timedelta) -> datetime:
        """When work that may begin at `start` and takes `sending` of open time would end, in UTC."""
        last, left = start, sending
        if not self.always:
            for opens, closes in self._open_times(start):
                begins = max(opens, start)
                room = closes - timedelta(seconds=self.guard) - begins
                if room <= timedelta(0):
                    continue
                last = begins
                if left <= room:
                    break
                left -= room
        return (last + left).astimezone(UTC)

    def names_of_days(self, earliest: datetime, latest: datetime) -> list[str]:
        """What a campaign must not name among its days off when a POST may begin in [earliest, latest]."""
        last = latest + timedelta(seconds=self.guard)
        return names_of(provider_local(earliest).date(), provider_local(last).date())

    def _open_times(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Open times that end after `moment`, in order, each from its opening to where it closes.

        One that began more than a day before `moment` is told from a day before.
        """
        day = provider_local(moment).date() - timedelta(days=1)
        begun: tuple[datetime, datetime] | None = None
        for n in range(_HORIZON):
            for opens, closes in self._of_day(day + timedelta(days=n)):
                if begun is not None and begun[1] == opens and opens - begun[0] < _LONGEST:
                    begun = (begun[0], closes)
                    continue
                if begun is not None and begun[1] > moment:
                    yield begun
                begun = (opens, closes)
        if begun is not None and begun[1] > moment:
            yield begun

    def _of_day(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The open time that begins on `day`: two pieces when it passes midnight, less the days off."""
        hours = self.week[day.weekday()]
        if hours is None:
            return
        midnight = datetime.combine(day, clock_time(), PROVIDER_ZONE)
        day_long = timedelta(days=1)
        opens, closes = (midnight + timedelta(minutes=minutes) for minutes in (hours.opens, hours.closes))
        if not self.days_off.closed(day):
            yield opens, min(closes, midnight + day_long)
        if closes > midnight + day_long and not self.days_off.closed(day + day_long):
            yield midnight + day_long, closes


_GUIDE_FORM = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_ISO_WITH_OFFSET = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)", re.ASCII)


def parse_moment(text: str, what: str = "start") -> datetime:
    """Read `YYYY-MM-DD HH:MM:SS` at GMT-3, or ISO 8601 with an offset; the answer is in UTC.

    The provider sends at once when FECHADESDE is malformed, so every other form is refused here.

    Raises:
        UsageError: the text has another form, or the date does not exist.
    """
    text = text.strip()
    try:
        if _GUIDE_FORM.fullmatch(text):
            return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=PROVIDER_ZONE).astimezone(UTC)
        if _ISO_WITH_OFFSET.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(worded("{what}: {text!r} is not a date that exists.", what=what, text=text)) from None
    raise UsageError(
        worded(
            "{what}: {text!r} is not in a known date format, and a guess could send at the wrong hour.",
            what=what,
            text=text[:60],
        ),
        hint=translated('Write "2026-12-01 09:00:00" (Argentine time) or "2026-12-01T12:00:00Z".'),
    )


def provider_local(moment: datetime) -> datetime:
    """The same instant as the provider's wall clock shows it."""
    return moment.astimezone(PROVIDER_ZONE)


def since_midnight(moment: datetime) -> timedelta:
    """How much of the provider's day has passed."""
    local = provider_local(moment)
    return local - local.replace(hour=0, minute=0, second=0, microsecond=0)


def fecha_digits(moment: datetime) -> str:
    """The instant as the status endpoints write it: YYYYMMDDHHNNSS, provider-local (guide, "Comprobación")."""
    return provider_local(moment).strftime("%Y%m%d%H%M%S")
