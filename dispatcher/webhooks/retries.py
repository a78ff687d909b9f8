"""When a delivery that failed is tried again. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from dispatcher.domain.backoff import backoff

_MINUTE, _HOUR = 60.0, 3600.0
WAITS = (5.0, 5 * _MINUTE, 30 * _MINUTE, *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 24)))
"""Seconds after each attempt that failed; the attempt after the last of them is the last one."""
ATTEMPTS = len(WAITS) + 1
JITTER = 0.1
"""The share that a wait may be longer: what failed together should not come back together."""
FAILING = 3
"""With so many failures in a row an endpoint is taken to be away: it gets one call at a time, with pauses."""
_LONGEST_RETRY_AFTER = 24 * _HOUR
_LONGEST_PAUSE = 5 * _MINUTE


def wait(attempt: int, retry_after: float, luck: float) -> float | None:
    """Seconds until the next attempt; None when this one was the last.

    Args:
        attempt: how many were made, 1 after the first.
        retry_after: what the receiver asked for, 0 for nothing.
        luck: 0 to 1.
    """
    if attempt >= ATTEMPTS:
        return None
    return max(WAITS[attempt - 1] * (1 + JITTER * luck), retry_after)


def pause(failures: int, retry_after: float) -> float:
    """Seconds for which nothing at all is delivered to an endpoint after so many failures in a row."""
    if failures < FAILING:
        return retry_after
    return max(retry_after, backoff(failures - FAILING, 5.0, _LONGEST_PAUSE))


def retry_after(header: str | None, now: datetime) -> float:
    """Seconds that the header Retry-After asks for, a day at most; 0 when it asks for nothing that can be read."""
    said = (header or "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), _LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), _LONGEST_RETRY_AFTER)
