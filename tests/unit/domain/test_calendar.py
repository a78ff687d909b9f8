"""The calendar: hours by weekday, holidays and own days, against a plain model that looks at every second."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dispatcher.domain.days_off import DaysOff, names_of
from dispatcher.domain.opening_hours import Hours
from dispatcher.domain.window import PROVIDER_ZONE, Window, provider_local

OFFICE = Window.parse("mon-fri 09:00-20:00, sat 10:00-13:00", guard=60)
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=PROVIDER_ZONE)


def open_second(window: Window, moment: datetime) -> bool:
    """The model: whether the one second of `moment` is open, looked up day by day."""
    local = provider_local(moment)
    if window.days_off.closed(local.date()):
        return False
    minute = local.hour * 60 + local.minute
    today, yesterday = window.week[local.weekday()], window.week[(local.weekday() - 1) % 7]
    return bool(
        (today and today.opens <= minute < today.closes)
        or (yesterday and yesterday.opens <= minute + 24 * 60 < yesterday.closes)
    )


def model_allows(window: Window, earliest: datetime, latest: datetime) -> bool:
    """Open from the earliest second until the guard after the latest is over."""
    last = latest + timedelta(seconds=window.guard)
    seconds = int((last - earliest).total_seconds())
    return all(open_second(window, earliest + timedelta(seconds=n)) for n in range(seconds + 1))


WEEKS = st.lists(
    st.one_of(
        st.none(),
        st.tuples(st.integers(480, 1318), st.integers(2, 1320)).map(lambda t: Hours(t[0], min(1320, t[0] + t[1]))),
    ),
    min_size=7,
    max_size=7,
).filter(any)
EVERY_DAY = st.one_of(
    st.just(Hours(0, 1440)),
    st.tuples(st.integers(0, 1439), st.integers(2, 1440)).map(lambda t: Hours(t[0], t[0] + t[1])),
).map(lambda hours: [hours] * 7)
DAYS = st.sets(st.sampled_from(["holidays", *(f"2026-12-{n:02}" for n in range(18, 32))]), max_size=5)
WINDOWS = st.builds(
    lambda week, guard, off: Window(tuple(week), guard, DaysOff(frozenset(off))),
    st.one_of(WEEKS, EVERY_DAY),
    st.integers(0, 59),
    DAYS,
)
# Around Christmas and New Year, with both a Friday holiday and ordinary days; edges of the hour are what goes wrong.
MOMENTS = st.builds(
    lambda hour, offset: datetime(2026, 12, 18, 3, tzinfo=UTC) + timedelta(hours=hour, seconds=offset),
    st.integers(0, 24 * 16),
    st.integers(-61, 61),
)


@given(WINDOWS, MOMENTS, st.integers(0, 90))
@settings(deadline=None, max_examples=200)
def test_a_post_may_begin_exactly_when_every_second_it_may_fall_on_is_open(
    window: Window, earliest: datetime, wide: int
) -> None:
    latest = earliest + timedelta(seconds=wide)
    expected = window.always or model_allows(window, earliest, latest)
    assert window.allows(earliest, latest) is expected
    if expected and not window.always:
        last = window.last_start(earliest)
        assert model_allows(window, last - SECOND, last - SECOND)
        # What is open for months is told in pieces.
        assert last - earliest > timedelta(days=30) or not window.allows(last)


@given(WINDOWS, MOMENTS)
@settings(deadline=None, max_examples=200)
def test_the_next_opening_is_open_and_nothing_before_it_is(window: Window, moment: datetime) -> None:
    opening = window.next_opening(moment)
    assert opening >= moment
    assert window.allows(opening)
    if opening > moment:
        assert not window.allows(opening - SECOND)
        assert not window.allows(moment)


@given(WINDOWS, MOMENTS, st.integers(0, 36 * 3600))
@settings(deadline=None, max_examples=200)
def test_a_job_ends_after_as_much_open_time_as_it_takes(window: Window, start: datetime, seconds: int) -> None:
    ends = window.finish(start, timedelta(seconds=seconds))
    assert ends >= start + timedelta(seconds=seconds)
    if seconds:
        assert window.allows(ends - SECOND)


@given(WINDOWS, MOMENTS, st.integers(0, 90), DAYS)
@settings(deadline=None, max_examples=200)
def test_what_the_claim_asks_of_a_campaign_is_what_its_own_window_says(
    window: Window, earliest: datetime, wide: int, off: set[str]
) -> None:
    """The account's window and the names of the days together admit no more than the campaign's own calendar."""
    latest = earliest + timedelta(seconds=wide)
    account = Window(window.week, window.guard)
    admitted = account.allows(earliest, latest) and off.isdisjoint(account.names_of_days(earliest, latest))
    own = account.without(DaysOff(frozenset(off)))
    if admitted:
        assert own.allows(earliest, latest)
        # The check before the first byte lets the same POST begin now, and refuses it from closing time on.
        assert latest < own.last_start(latest)


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-11-27 08:59:59", False),  # a Friday
        ("2026-11-27 09:00:00", True),
        ("2026-11-27 19:58:59", True),
        ("2026-11-27 19:59:00", False),
        ("2026-11-28 09:59:59", False),  # a Saturday
        ("2026-11-28 10:00:00", True),
        ("2026-11-28 12:59:00", False),
        ("2026-11-29 11:00:00", False),  # a Sunday
        ("2026-11-30 09:00:00", True),
    ],
)
def test_hours_by_weekday(moment: str, allowed: bool) -> None:
    assert OFFICE.allows(at(moment)) is allowed


@pytest.mark.parametrize("month", range(1, 13))
def test_argentina_has_no_daylight_saving(month: int) -> None:
    monday = date(2026, month, 1)
    monday += timedelta(days=(7 - monday.weekday()) % 7)
    opens = datetime(monday.year, monday.month, monday.day, 12, tzinfo=UTC)
    assert OFFICE.allows(opens)
    assert not OFFICE.allows(opens - SECOND)


@pytest.mark.parametrize(
    "text",
    [
        "lun-vie 09:00-20:00, sab 10:00-13:00",
        "Lunes-Viernes 09:00-20:00, sábado 10:00-13:00",
        "mon 09:00-20:00,tue-fri 09:00-20:00,sat 10:00-13:00",
        " MON-FRI  09:00-20:00 , SAT 10:00-13:00 ",
    ],
)
def test_the_same_week_in_other_words(text: str) -> None:
    assert Window.parse(text, guard=60) == OFFICE


def test_days_may_pass_the_end_of_the_week() -> None:
    week = Window.parse("sat-mon 10:00-12:00").week
    assert [hours is not None for hours in week] == [True, False, False, False, False, True, True]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mon-fri 07:59-20:00", "provider's own hours"),
        ("mon-fri 09:00-22:01", "provider's own hours"),
        ("mon-fri 20:00-09:00", "provider's own hours"),
        ("mon-fri 00:00-24:00", "provider's own hours"),
        ("mon-fri 09:00-20:00, fri 10:00-12:00", "fri twice"),
        ("mon-fry 09:00-20:00", "'fry', which is not a weekday"),
        ("mon-fri 09:00-20:00,", "must look like"),
        ("mon-fri", "must look like"),
        ("mon 09:00-09:00", "empty"),
        ("mon 09:00-20:61", "hour or minute"),
        ("mon 9-20", "hours like 09:00-20:00"),
        ("mon-tue-wed 09:00-20:00", "must look like"),
        ("09:00-20:00, sat 10:00-13:00", "must look like"),
    ],
)
def test_a_calendar_of_another_form_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Window.parse(text)


@example("mon-fri 09:00-20:00, sat 10:00-13:00")
@given(st.text("monfrisatlunvie0123456789:-, ", max_size=40))
def test_a_window_that_names_days_never_opens_outside_the_providers_hours(text: str) -> None:
    try:
        window = Window.parse(text)
    except ValueError:
        return
    if any(char.isalpha() for char in text):
        assert all(480 <= hours.opens < hours.closes <= 1320 for hours in window.week if hours)


@pytest.mark.parametrize(
    "day",
    [
        "2026-03-24",  # Remembrance
        "2026-07-10",  # a bridge day
        "2026-12-08",
        "2026-12-25",
        "2027-01-01",
        "2027-02-08",  # Carnival
    ],
)
def test_national_holidays_are_known(day: str) -> None:
    assert DaysOff.parse(["holidays"]).closed(date.fromisoformat(day))
    assert DaysOff.parse(["feriados"]).closed(date.fromisoformat(day))


@pytest.mark.parametrize("day", ["2026-11-27", "2026-12-24", "2026-12-31", "2027-01-02"])
def test_what_is_no_holiday_is_open(day: str) -> None:
    assert not DaysOff.parse(["holidays"]).closed(date.fromisoformat(day))


def test_own_days_and_holidays_come_together() -> None:
    off = DaysOff.parse(["holidays", "2026-12-31,2026-12-24"])
    assert str(off) == "holidays, 2026-12-24, 2026-12-31"
    assert names_of(date(2026, 12, 24), date(2026, 12, 25)) == ["2026-12-24", "2026-12-25", "holidays"]
    window = OFFICE.without(off)
    # Thursday the 24th is its own, Friday the 25th a holiday: on Saturday it goes on.
    assert window.next_opening(at("2026-12-24 08:00:00")) == at("2026-12-26 10:00:00")
    assert window.finish(at("2026-12-23 19:00:00"), timedelta(hours=1)) == at("2026-12-26 10:01:00")


def test_a_day_off_also_ends_the_night_before_it() -> None:
    night = Window.parse("20:00-06:00", guard=60).without(DaysOff.parse(["2026-12-25"]))
    assert night.allows(at("2026-12-24 23:58:59"))
    assert not night.allows(at("2026-12-24 23:59:00"))
    assert not night.allows(at("2026-12-25 03:00:00"))
    assert not night.allows(at("2026-12-25 21:00:00"))
    assert night.allows(at("2026-12-26 00:00:00"))


@pytest.mark.parametrize(
    "given", [["christmas"], ["2026-02-30"], ["24/12/2026"], ["2026-12-24;2026-12-31"], ["x" * 99]]
)
def test_days_of_another_form_are_refused(given: list[str]) -> None:
    with pytest.raises(ValueError, match="has "):
        DaysOff.parse(given)


def test_too_many_days_are_refused() -> None:
    with pytest.raises(ValueError, match="366"):
        DaysOff.parse([(date(2027, 1, 1) + timedelta(days=n)).isoformat() for n in range(400)])


def test_a_calendar_with_every_open_day_off_never_sends() -> None:
    saturdays = [(date(2026, 12, 5) + timedelta(days=7 * n)).isoformat() for n in range(300)]
    window = Window.parse("sat 10:00-12:00").without(DaysOff.parse(saturdays))
    assert provider_local(window.next_opening(at("2026-12-01 10:00:00"))).date() == date(2026, 12, 5) + timedelta(
        days=2100
    )
