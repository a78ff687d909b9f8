"""The wait after failures: it doubles up to its limit, and no number of failures is too large."""

from itertools import pairwise

from dispatcher.domain.backoff import backoff


def test_the_backoff_grows_from_one_second_to_five_minutes() -> None:
    steps = [backoff(failures) for failures in range(40)]
    assert steps[:4] == [1, 2, 4, 8]
    assert steps[-1] == 300
    assert all(earlier <= later <= 2 * earlier for earlier, later in pairwise(steps))


def test_before_any_failure_it_is_the_first_step() -> None:
    assert backoff(-1, first=5) == backoff(0, first=5) == 5


def test_a_huge_number_of_failures_waits_no_longer_than_the_limit() -> None:
    assert backoff(2**31 - 1, first=60, longest=3600) == 3600
