"""How long rows are kept, as a person writes it."""

import pytest

from dispatcher.settings.keeping import MOST_DAYS, days_of


@pytest.mark.parametrize(
    ("span", "days"),
    [
        ("13 months", 403),
        ("13m", 403),
        ("1 month", 31),
        ("6 meses", 186),
        ("90 days", 90),
        ("90d", 90),
        ("7 días", 7),
        ("2 years", 732),
        ("1 año", 366),
        (" 2Y ", 732),
        ("never", None),
        ("Nunca", None),
    ],
)
def test_a_span_is_read(span: str, days: int | None) -> None:
    assert days_of(span) == days


@pytest.mark.parametrize(
    "span", ["13", "", "13 minutes", "-3 months", "1.5 years", "6 days", "0 months", "9" * 30 + "d"]
)
def test_what_is_no_span_or_too_short_is_refused(span: str) -> None:
    with pytest.raises(ValueError, match=r"is no span of time|7 days or more"):
        days_of(span)


@pytest.mark.parametrize("span", ["9999 years", "99999 d", "101 years"])
def test_more_than_the_calendar_of_the_database_holds_is_refused(span: str) -> None:
    with pytest.raises(ValueError, match="never"):
        days_of(span)


def test_a_hundred_years_is_a_span() -> None:
    assert days_of("100 years") == MOST_DAYS
