"""When a POST may begin: the sending window, and the dates that users write, all at GMT-3.

Source: guide, "Envío de mensajes vía http (en tiempo real)", NOTA and FECHADESDE.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from datetime import time as clock_time

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded

PROVIDER_ZONE = timezone(timedelta(hours=-3))
"""The provider's zone; Argentina keeps -03 all year since 2009."""

_WINDOW = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_MINUTES_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """The minutes of the provider's day between which a POST may begin; `closes` may be after midnight."""

    opens: int
    closes: int
    guard: int = 0  # seconds before closing in which no POST begins

    @classmethod
    def parse(cls, text: str, guard: int = 0) -> "Window":
        """Read `HH:MM-HH:MM`; `00:00-24:00` is always.

        Raises:
            ValueError: another form, or an empty window.
        """
        match = _WINDOW.fullmatch(text.strip())
        if not match:
            raise ValueError("must look like 08:00-22:00 (00:00-24:00 = always)")
        h1, m1, h2, m2 = map(int, match.groups())
        opens, closes = h1 * 60 + m1, h2 * 60 + m2
        if m1 > 59 or m2 > 59 or opens >= _MINUTES_A_DAY or closes > _MINUTES_A_DAY:
            raise ValueError("has an hour or minute that does not exist")
        if opens == closes:
            raise ValueError("is empty: it opens and closes at the same minute")
        return cls(opens, closes if closes > opens else closes + _MINUTES_A_DAY, guard)

    @property
    def always(self) -> bool:
        """Whether it never closes."""
        return self.closes - self.opens >= _MINUTES_A_DAY

    def opening_before(self, moment: datetime) -> datetime:
        """The latest opening at or before `moment`."""
        local = moment.astimezone(PROVIDER_ZONE)
        opening = datetime.combine(local.date(), clock_time(), PROVIDER_ZONE) + timedelta(minutes=self.opens)
        return opening if opening <= local else opening - timedelta(days=1)

    def last_start(self, moment: datetime) -> datetime:
        """The instant from which no POST may begin, in the window that opened last before `moment`."""
        length = timedelta(minutes=self.closes - self.opens) - timedelta(seconds=self.guard)
        return self.opening_before(moment) + length

    def allows(self, earliest: datetime, latest: datetime | None = None) -> bool:
        """Whether a POST may begin, when the provider's clock is somewhere in [earliest, latest]."""
        if self.always:
            return True
        latest = latest or earliest
        return latest < self.last_start(earliest) and self.opening_before(latest) <= earliest

    def next_opening(self, moment: datetime) -> datetime:
        """`moment` itself when the window allows it, else the next opening, in UTC."""
        if self.allows(moment):
            return moment.astimezone(UTC)
        return (self.opening_before(moment) + timedelta(days=1)).astimezone(UTC)

    def finish(self, start: datetime, sending: timedelta) -> datetime:
        """When work that may begin at `start` and takes `sending` of open time would end, in UTC."""
        moment, left = self.next_opening(start), sending
        while not self.always:
            room = self.last_start(moment) - moment
            if left <= room:
                break
            left -= room
            moment = self.next_opening(self.last_start(moment) + timedelta(seconds=self.guard))
        return (moment + left).astimezone(UTC)


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


def fecha_digits(moment: datetime) -> str:
    """The instant as the status endpoints write it: YYYYMMDDHHNNSS, provider-local (guide, "Comprobación")."""
    return provider_local(moment).strftime("%Y%m%d%H%M%S")
