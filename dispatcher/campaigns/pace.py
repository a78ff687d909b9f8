"""How fast a campaign went: what was handed in and what got its result, in equal steps of time, for a chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from dispatcher.db.statements import query

STEPS = 120
"""Steps of a chart at most: a campaign of an hour has minutes, one of a week has hours and a half."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Messages by step: `sent` were handed in, `settled` got their result. Each step takes `minutes`, from `begins`."""

    begins: datetime
    minutes: int
    sent: list[int]
    settled: list[int]

    @property
    def ends(self) -> datetime:
        """When the last step is over."""
        return self.begins + timedelta(minutes=self.minutes * len(self.sent))


def pace(connection: Connection, campaign_id: int) -> Pace | None:
    """The pace of a campaign so far; None when nothing was handed in yet."""
    rows = connection.execute(query("campaign_pace"), {"campaign_id": campaign_id, "steps": STEPS}).all()
    if not rows:
        return None
    begins, minutes = rows[0].at, rows[0].minutes
    places = [round((row.at - begins).total_seconds() / 60 / minutes) for row in rows]
    sent, settled = [0] * (places[-1] + 1), [0] * (places[-1] + 1)
    for place, row in zip(places, rows, strict=True):
        sent[place], settled[place] = row.sent, row.settled
    return Pace(begins, minutes, sent, settled)
