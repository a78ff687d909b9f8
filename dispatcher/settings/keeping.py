"""How long messages are kept."""

import re
from functools import cached_property

from pydantic import BaseModel, field_validator

LEAST_DAYS = 7
"""Results come for two days, and a day after the horizon; what is kept shorter would go before they do."""
MOST_DAYS = 36_600
"""A hundred years: the database's calendar does not reach back as far as any number of days."""
_SPAN = re.compile(r"([0-9]{1,5}) ?(d|days?|d[ií]as?|m|months?|mes|meses|y|years?|años?)", re.IGNORECASE)
_DAYS = {"d": 1, "m": 31, "y": 366, "a": 366}


class Keeping(BaseModel):
    """Retention."""

    retention: str = "13 months"

    @field_validator("retention")
    @classmethod
    def _a_span(cls, value: str) -> str:
        days_of(value)
        return value

    @cached_property
    def retention_days(self) -> int | None:
        """The same in days, a month counted as 31; None = for ever."""
        return days_of(self.retention)


def days_of(span: str) -> int | None:
    """The days of `13 months`, `90 days`, `2 years`, or of d, m and y; None for `never`.

    Raises:
        ValueError: it is no span of time, or a shorter one than results need, or more than a hundred years.
    """
    if span.strip().lower() in ("never", "nunca"):
        return None
    found = _SPAN.fullmatch(span.strip())
    if found is None:
        raise ValueError("is no span of time; write 13 months, 90 days, 2 years or never")
    days = int(found[1]) * _DAYS[found[2][0].lower()]
    if days < LEAST_DAYS:
        raise ValueError(f"must be {LEAST_DAYS} days or more: results may come until then")
    if days > MOST_DAYS:
        raise ValueError("must be 100 years or less; write never to keep everything")
    return days
