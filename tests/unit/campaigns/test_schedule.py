"""The schedule: which dates are refused, and the warning about a start that is past."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.campaigns.schedule import Schedule
from dispatcher.errors import UsageError
from schemas.payload import CampaignSpec

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def late_start(start: datetime | None) -> list[str]:
    return Schedule(start, None).late_start(NOW)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(minutes=6), "6 minutes"),
        (timedelta(minutes=60), "1 hour"),
        (timedelta(hours=30), "1 day"),
        (timedelta(days=365), "365 days"),
    ],
)
def test_a_start_in_the_past_says_how_far(ago: timedelta, words: str) -> None:
    assert f"is {words} in the past" in late_start(NOW - ago)[0]


@pytest.mark.parametrize("start", [None, NOW, NOW + timedelta(days=1), NOW - timedelta(minutes=5)])
def test_a_start_that_is_not_over_says_nothing(start: datetime | None) -> None:
    assert late_start(start) == []


@pytest.mark.parametrize(
    ("start", "expires"),
    [
        (None, "2026-11-22T12:00:00Z"),
        ("2026-11-01T12:00:00Z", "2026-11-22T12:00:00Z"),
        ("2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z"),
    ],
)
def test_a_deadline_must_be_after_the_moment_at_which_sending_begins(start: str | None, expires: str) -> None:
    with pytest.raises(UsageError, match="expires"):
        Schedule.of(CampaignSpec(template="Hola", start=start, expires=expires), NOW)


def test_a_campaign_begins_at_its_start_but_never_in_the_past() -> None:
    assert Schedule(None, None).begins(NOW) == NOW
    assert Schedule(NOW - timedelta(days=1), None).begins(NOW) == NOW
    assert Schedule(NOW + timedelta(days=1), None).begins(NOW) == NOW + timedelta(days=1)
