"""When a campaign may begin and must have ended."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from dispatcher.domain.days_off import DaysOff
from dispatcher.domain.window import Window, parse_moment, provider_local
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from schemas.payload import CampaignSpec

_UNITS = ((24 * 60, "day"), (60, "hour"), (1, "minute"))
AGO = {
    "day": ("{n:,} day", "{n:,} days"),
    "hour": ("{n:,} hour", "{n:,} hours"),
    "minute": ("{n:,} minute", "{n:,} minutes"),
}
_LATE = timedelta(minutes=5)
"""A start may be this far in the past without a warning: reading a file takes time, and clocks differ."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The dates of a campaign, in UTC, and the days on which nothing of it goes."""

    start_at: datetime | None  # None = at once
    expires_at: datetime | None
    days_off: DaysOff = field(default_factory=DaysOff)

    @classmethod
    def of(cls, spec: CampaignSpec, now: datetime) -> Self:
        """Read and check the dates of a spec.

        Raises:
            UsageError: a date or a day off in another form, or a deadline that is past or before the start.
        """
        start = parse_moment(spec.start, "start") if spec.start is not None else None
        expires = parse_moment(spec.expires, "expires") if spec.expires is not None else None
        found = cls(start, expires, days_off(spec.not_on))
        if expires and expires <= found.begins(now):
            raise UsageError(
                translated("expires is not after the start, so nothing could be sent."),
                hint=translated("Give a later --expires."),
            )
        return found

    def begins(self, now: datetime) -> datetime:
        """The earliest moment at which a message may go."""
        return max(self.start_at or now, now)

    def late_start(self, now: datetime) -> list[str]:
        """A warning when the start is past: the campaign does not wait, so with the wrong year it begins at once."""
        if self.start_at is None or now - self.start_at <= _LATE:
            return []
        minutes = int((now - self.start_at).total_seconds() // 60)
        n, unit = next((minutes // size, unit) for size, unit in _UNITS if minutes >= size)
        ago = worded(AGO[unit][n != 1], n=n)
        start = f"{provider_local(self.start_at):%Y-%m-%d %H:%M:%S}"
        return [
            worded("The start, {start} (-03), is {ago} in the past: the campaign begins at once.", start=start, ago=ago)
        ]

    def within(self, window: Window, now: datetime) -> list[str]:
        """A warning when the start lies where nothing may go, so that the campaign begins later than it says.

        Raises:
            UsageError: nothing may go before its end.
        """
        window = window.without(self.days_off)
        begins = self.begins(now)
        opens = window.next_opening(begins)
        if self.expires_at is not None and opens >= self.expires_at:
            raise UsageError(
                translated("Nothing may go between its start and its end: the hours of sending and its days off."),
                hint=translated("Give a later --expires, or fewer days off."),
            )
        if self.start_at is None or opens <= max(self.start_at, now):
            return []
        start, at = (f"{provider_local(moment):%Y-%m-%d %H:%M}" for moment in (begins, opens))
        return [worded("Nothing may go at its start, {start} (-03): it begins on {at}.", start=start, at=at)]


def days_off(given: Iterable[str]) -> DaysOff:
    """The days on which a campaign sends nothing, as it was handed in.

    Raises:
        UsageError: a word that is no day and not `holidays`.
    """
    try:
        return DaysOff.parse(given)
    except ValueError as error:
        raise UsageError(
            worded("not_on {why}.", why=error),
            hint=translated("Write holidays, or days like 2026-12-24,2026-12-31."),
        ) from None
