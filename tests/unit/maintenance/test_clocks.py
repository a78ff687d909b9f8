"""Which of three clocks is off."""

from datetime import timedelta

import pytest

from dispatcher.errors import DispatcherError
from dispatcher.maintenance.clocks import compare


def minutes(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(minutes=value)


@pytest.mark.parametrize(
    ("database", "provider"),
    [(0, 0), (4.9, 4.9), (-4.9, -4.9), (5, 0), (0, 10), (0, -10), (4, 13.9), (4, -10), (-4, 10), (0, None), (5, None)],
)
def test_clocks_that_agree_well_enough_are_told(database: float, provider: float | None) -> None:
    told = compare(timedelta(minutes=database), minutes(provider))
    assert f"the database is {database * 60:+.0f} s" in told
    assert ("not known" if provider is None else f"the provider {provider * 60:+.0f} s") in told


@pytest.mark.parametrize(
    ("database", "provider", "off"),
    [
        (5.1, 0, "The database's clock is off"),
        (-60, 0.5, "The database's clock is off"),
        (5.1, 5.1, "This machine's clock is off"),
        (-60, -60, "This machine's clock is off"),
        (60, 52, "This machine's clock is off"),
        (6, -60, "No two of the three clocks agree"),
        (60, 30, "No two of the three clocks agree"),
        (5.1, None, "This machine's clock or the database's is off"),
        (0, 10.1, "The provider's clock is off"),
        (0, -10.1, "The provider's clock is off"),
        (4, 14.1, "The provider's clock is off"),
        (4, -10.1, "The provider's clock is off"),
    ],
)
def test_clocks_that_differ_too_much_fail_and_it_says_which_is_off(
    database: float, provider: float | None, off: str
) -> None:
    with pytest.raises(DispatcherError, match=off) as caught:
        compare(timedelta(minutes=database), minutes(provider))
    assert f"the database is {database * 60:+.0f} s" in str(caught.value)
    assert caught.value.hint
