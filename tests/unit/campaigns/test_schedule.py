"""Loading: what is said of a start that is over. The rest needs a database: tests/integration/test_loading.py."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.campaigns.loading import late_start

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


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
    assert f"lies {words} in the past" in late_start(NOW - ago, NOW)[0]


@pytest.mark.parametrize("start", [None, NOW, NOW + timedelta(days=1), NOW - timedelta(minutes=5)])
def test_a_start_that_is_not_over_says_nothing(start: datetime | None) -> None:
    assert late_start(start, NOW) == []
