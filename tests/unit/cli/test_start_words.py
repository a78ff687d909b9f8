"""Moments as people write them: each is the one that was meant, or stays as it was, for others to refuse."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.cli.start_words import absolute, in_full, since
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import UsageError
from dispatcher.i18n.words import speaking

NOW = datetime(2026, 11, 26, 18, 30, 15, tzinfo=PROVIDER_ZONE).astimezone(UTC)
"""A Thursday."""


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("mañana 9:00", "2026-11-27 09:00:00"),
        ("  MAÑANA   9:00 ", "2026-11-27 09:00:00"),
        ("manana 9", "2026-11-27 09:00:00"),
        ("mañana a las 9", "2026-11-27 09:00:00"),
        ("mañana 9hs", "2026-11-27 09:00:00"),
        ("mañana a las 9:30 hs.", "2026-11-27 09:30:00"),
        ("tomorrow at 9:00", "2026-11-27 09:00:00"),
        ("pasado mañana 10:15", "2026-11-28 10:15:00"),
        ("hoy 20:00", "2026-11-26 20:00:00"),
        ("today 20", "2026-11-26 20:00:00"),
        ("lunes 10:30", "2026-11-30 10:30:00"),
        ("monday 10:30", "2026-11-30 10:30:00"),
        ("miércoles 8:05", "2026-12-02 08:05:00"),
        ("sábado, 11:00", "2026-11-28 11:00:00"),
        ("jueves 20:00", "2026-11-26 20:00:00"),
        ("jueves 10:00", "2026-12-03 10:00:00"),
        ("+2h", "2026-11-26 20:30:15"),
        ("+90m", "2026-11-26 20:00:15"),
        ("+1d", "2026-11-27 18:30:15"),
        ("+1h30m", "2026-11-26 20:00:15"),
        ("+ 2 h", "2026-11-26 20:30:15"),
        ("2026-12-01 09:00", "2026-12-01 09:00:00"),
        ("2026-12-01 9:00", "2026-12-01 09:00:00"),
    ],
)
def test_what_was_plainly_meant_is_understood(text: str, meant: str) -> None:
    assert absolute(text, "start", NOW) == meant


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01 09:00:00",
        "2026-12-01T09:00:00-03:00",
        "01/12/2026 09:00",
        "9:00",
        "mañana",
        "lunes",
        "ayer 9:00",
        "+",
        "+2",
        "+2x",
        "",
        "luness 9:00",
        "mañana 9:00 o 10:00",
        "x" * 1000,
    ],
)
def test_anything_else_is_left_to_whoever_knows_it(text: str) -> None:
    assert absolute(text, "start", NOW) == text


@pytest.mark.parametrize("text", ["hoy 18:00", "2026-11-26 18:30", "2025-01-01 10:00"])
def test_what_has_passed_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="which has passed"):
        absolute(text, "start", NOW)


@pytest.mark.parametrize("text", ["mañana 24:00", "lunes 9:60", "2026-02-30 09:00", "2026-13-01 09:00"])
def test_what_does_not_exist_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="not a date that exists"):
        absolute(text, "start", NOW)


@given(st.text(max_size=60))
def test_any_text_is_a_moment_ahead_or_itself_or_a_sentence(text: str) -> None:
    try:
        found = absolute(text, "start", NOW)
    except UsageError as error:
        found, text = str(error), f"start: {str(error).removeprefix('start: ')}"
    if found != text:
        assert datetime.strptime(str(found), "%Y-%m-%d %H:%M:%S").replace(tzinfo=PROVIDER_ZONE) > NOW


def test_the_day_is_named_in_the_readers_language() -> None:
    assert in_full(NOW) == "Thursday 2026-11-26 18:30"
    with speaking("es"):
        assert in_full(NOW) == "jueves 2026-11-26 18:30"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2020-12-01", "2020-12-01T03:00:00"),
        ("2020-12-01 9:05", "2020-12-01T12:05:00"),
        ("2020-12-01 09:05:07", "2020-12-01T12:05:07"),
        ("2020-12-01T09:05:07Z", "2020-12-01T09:05:07"),
    ],
)
def test_since_may_have_passed(text: str, utc: str) -> None:
    assert since(text).isoformat() == f"{utc}+00:00"


@pytest.mark.parametrize("text", ["ayer", "2020-13-01", "2020-12-01 25:00", "01/12/2020"])
def test_since_is_never_guessed(text: str) -> None:
    with pytest.raises(UsageError):
        since(text)
