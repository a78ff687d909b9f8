"""When a campaign may begin and must have ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from dispatcher.domain.window import parse_moment, provider_local
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
    """The dates of a campaign, in UTC."""

    start_at: datetime | None  # None = at once
    expires_at: datetime | None

    @classmethod
    def of(cls, spec: CampaignSpec, now: datetime) -> Self:
        """Read and check the dates of a spec.

        Raises:
            UsageError: a date in another form, or a deadline that is past or before the start.
        """
        start = parse_moment(spec.start, "start") if spec.start is not None else None
        expires = parse_moment(spec.expires, "expires") if spec.expires is not None else None
        found = cls(start, expires)
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
