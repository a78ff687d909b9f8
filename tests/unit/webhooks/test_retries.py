"""When a delivery that failed is tried again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.webhooks import retries

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_the_ladder_is_the_contracts() -> None:
    minutes, hours = 60, 3600
    assert [retries.wait(attempt, 0, 0) for attempt in range(1, 11)] == [
        *(5, 5 * minutes, 30 * minutes, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours, None)
    ]


@given(attempt=st.integers(1, 9), luck=st.floats(0, 1))
def test_a_wait_is_never_shorter_and_a_tenth_longer_at_most(attempt: int, luck: float) -> None:
    wait = retries.wait(attempt, 0, luck)
    assert wait is not None
    assert retries.WAITS[attempt - 1] <= wait <= retries.WAITS[attempt - 1] * 1.1


def test_what_the_receiver_asks_for_is_the_least() -> None:
    assert retries.wait(1, 120, 0.5) == 120
    assert retries.wait(4, 120, 0) == 7200
    assert retries.wait(10, 120, 0) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        *((None, 0), ("", 0), ("soon", 0), ("-5", 0), ("1.5", 0), ("0", 0), ("120", 120), ("9" * 400, 86_400)),
        ("Tue, 01 Dec 2026 12:10:00 GMT", 600),
        ("Tue, 01 Dec 2026 11:10:00 GMT", 0),
        ("Tue, 01 Dec 2099 11:10:00 GMT", 86_400),
        ("Tue, 01 Dec 2026 12:10:00", 600),
        ("Tue, 99 Foo 2026 12:10:00 GMT", 0),
        ("²", 0),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float) -> None:
    assert retries.retry_after(header, NOON) == seconds


def test_pauses_begin_with_the_third_failure_and_grow_to_five_minutes() -> None:
    assert [retries.pause(failures, 0) for failures in (1, 2, 3, 4, 5, 20, 10_000)] == [0, 0, 5, 10, 20, 300, 300]
    assert retries.pause(1, 90) == 90
