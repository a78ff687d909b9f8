"""The sending window and the dates that people write, judged by the provider's clock at GMT-3."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.domain.opening_hours import Hours
from dispatcher.domain.window import PROVIDER_ZONE, Window, fecha_digits, parse_moment, provider_local
from dispatcher.errors import UsageError


def at(text: str, day: int = 10) -> datetime:
    """A moment of an ordinary day, provider-local."""
    hour, minute, second = map(int, text.split(":"))
    return datetime(2026, 3, day, hour, minute, second, tzinfo=PROVIDER_ZONE)


DEFAULT = Window.parse("08:00-22:00", guard=60)
NIGHT = Window.parse("22:00-02:00", guard=60)


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("00:00:00", False),
        ("07:59:59", False),
        ("08:00:00", True),
        ("12:00:00", True),
        ("21:58:59", True),
        ("21:59:00", False),
        ("21:59:59", False),
        ("22:00:00", False),
        ("23:59:59", False),
    ],
)
def test_nothing_begins_outside_the_window_or_in_its_guard(moment: str, allowed: bool) -> None:
    assert DEFAULT.allows(at(moment)) is allowed
    assert DEFAULT.allows(at(moment).astimezone(UTC)) is allowed


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("21:59:59", False),
        ("22:00:00", True),
        ("23:59:59", True),
        ("00:00:00", True),
        ("01:58:59", True),
        ("01:59:00", False),
        ("02:00:00", False),
        ("12:00:00", False),
    ],
)
def test_a_window_may_pass_midnight(moment: str, allowed: bool) -> None:
    assert NIGHT.allows(at(moment)) is allowed


@pytest.mark.parametrize(
    ("earliest", "latest", "allowed"),
    [
        ("07:59:59", "08:00:01", False),
        ("08:00:00", "08:00:02", True),
        ("21:58:58", "21:58:59", True),
        ("21:58:59", "21:59:00", False),
        ("07:00:00", "23:00:00", False),
    ],
)
def test_at_the_edges_an_uncertain_clock_decides_against_sending(earliest: str, latest: str, allowed: bool) -> None:
    assert DEFAULT.allows(at(earliest), at(latest)) is allowed


def test_a_clock_uncertain_over_a_whole_night_does_not_send() -> None:
    assert not DEFAULT.allows(at("21:00:00", day=10), at("09:00:00", day=11))
    assert not NIGHT.allows(at("23:00:00", day=10), at("23:00:00", day=11))


@given(st.integers(0, 10**8))
def test_a_window_of_24_hours_never_closes_guard_or_not(second: int) -> None:
    window = Window.parse("00:00-24:00", guard=3600)
    assert window.always
    assert window.allows(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8-22",
        "8:00-22:00",
        "08:00",
        "08:00-25:00",
        "24:00-08:00",
        "08:60-22:00",
        "08:00-08:00",
        "08:00-24:01",
        "08:00-22:00-23:00",
        "08.00-22.00",
        "٠٨:٠٠-٢٢:٠٠",
    ],
)
def test_a_window_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|hour|empty"):
        Window.parse(text)


WINDOWS = st.tuples(st.integers(0, 1439), st.integers(1, 1440), st.integers(0, 59)).map(
    lambda t: Window((Hours(t[0], t[0] + t[1]),) * 7, t[2])
)
MOMENTS = st.integers(0, 3 * 86_400).map(lambda s: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=s))


@given(WINDOWS, MOMENTS)
def test_the_next_opening_is_the_first_allowed_moment(window: Window, moment: datetime) -> None:
    opening = window.next_opening(moment)
    assert moment <= opening <= moment + timedelta(days=1)
    assert window.allows(opening)
    if opening > moment:
        assert not window.allows(opening - timedelta(seconds=1))


@given(WINDOWS, MOMENTS, st.integers(0, 5 * 86_400))
@settings(deadline=None)
def test_the_end_of_a_job_counts_open_time_only(window: Window, moment: datetime, seconds: int) -> None:
    room = timedelta(minutes=window.shortest) - timedelta(seconds=window.guard)
    seconds = min(seconds, int(room.total_seconds() * 50))
    ends = window.finish(moment, timedelta(seconds=seconds))
    assert ends >= moment + timedelta(seconds=seconds)
    if seconds:
        assert window.always or window.allows(ends - timedelta(seconds=1))
        # A day has one opening, so a job may not take fewer or more days than its open time.
        assert ends - window.next_opening(moment) <= timedelta(days=timedelta(seconds=seconds) // room + 1)


def test_a_job_over_several_days_ends_on_the_last_of_them() -> None:
    room = timedelta(hours=13, minutes=59)
    ends = DEFAULT.finish(at("20:00:00"), timedelta(hours=1, minutes=59) + room + timedelta(minutes=30))
    assert provider_local(ends) == at("08:30:00", day=12)


def test_a_job_that_fits_to_the_second_ends_before_the_guard() -> None:
    assert provider_local(DEFAULT.finish(at("21:00:00"), timedelta(minutes=59))) == at("21:59:00")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-12-01 09:00:00", "2026-12-01T12:00:00"),
        (" 2026-12-01 09:00:00 ", "2026-12-01T12:00:00"),
        ("2026-12-01 23:30:00", "2026-12-02T02:30:00"),
        ("2024-02-29 00:00:00", "2024-02-29T03:00:00"),
        ("2026-12-01T12:00:00Z", "2026-12-01T12:00:00"),
        ("2026-12-01T09:00:00-03:00", "2026-12-01T12:00:00"),
        ("2026-12-01T09:00-0300", "2026-12-01T12:00:00"),
        ("2026-12-01T14:00:00.5+02:00", "2026-12-01T12:00:00.500000"),
    ],
)
def test_the_guide_form_and_iso_with_an_offset_are_understood(text: str, utc: str) -> None:
    moment = parse_moment(text)
    assert moment.utcoffset() == timedelta(0)
    assert moment.replace(tzinfo=None) == datetime.fromisoformat(utc)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mañana",
        "2026-12-01",
        "2026-12-01 09:00",
        "2026-12-01T09:00:00",
        "01/12/2026 09:00:00",
        "2026-13-01 09:00:00",
        "2026-02-30 09:00:00",
        "2026-12-01 24:00:00",
        "2026-12-01 09:00:60",
        "2026-12-01 09:00:00Z",
        "2026-12-01T09:00:00+99:99",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31 23:59:59",
        "٢٠٢٦-١٢-٠١ ٠٩:٠٠:٠٠",
        "2026-12-01 09:00:00; 2026-12-01 10:00:00",
    ],
)
def test_any_other_date_is_refused_and_never_taken_for_now(text: str) -> None:
    with pytest.raises(UsageError, match="expires: "):
        parse_moment(text, "expires")


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_a_sentence(text: str) -> None:
    try:
        told = f"start: {parse_moment(text).tzinfo}"
    except UsageError as error:
        told = str(error)
    assert told.startswith("start: ")


def test_a_fecha_is_written_in_provider_time() -> None:
    assert fecha_digits(datetime(2026, 1, 1, 2, 59, 59, tzinfo=UTC)) == "20251231235959"
