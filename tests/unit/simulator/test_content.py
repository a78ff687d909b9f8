"""The pure parts: decoding, splitting and judging are the same on the fast path and line by line."""

from __future__ import annotations

from urllib.parse import quote_plus, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.simulator import bloque, clock, forms, verdicts
from ops.simulator.verdicts import Mix

ENCODED = st.lists(
    st.one_of(
        st.sampled_from([b"%", b"%%", b"+", b"%25", b"%0D%0A", b"%0d%0a", b"%41", b"%2", b"%F1", b"%C3%B1"]),
        st.sampled_from(b"0123456789abcdefABCDEFxyz&=,.").map(lambda code: bytes((code,))),
        st.integers(0, 255).map(lambda code: b"%%%02X" % code),
    ),
    max_size=40,
).map(b"".join)


@given(ENCODED)
def test_decoding_fast_is_decoding_as_the_standard_says(encoded):
    assert forms.decode(encoded) == unquote_to_bytes(encoded.replace(b"+", b" "))


@given(st.binary(max_size=200))
def test_what_was_quoted_comes_back(raw):
    assert forms.decode(quote_plus(raw).encode()) == raw


@given(st.binary(max_size=60))
def test_every_byte_string_becomes_utf8(raw):
    forms.to_utf8(raw).decode("utf-8")


def test_a_name_given_twice_joins_as_asp_does():
    fields = forms.Fields(b"Apikey=a&APIKEY=b&&x")
    assert fields.raw("apikey") == b"a, b"
    assert fields.raw("x") == b""
    assert fields.raw("y") is None


PART = st.sampled_from(
    [b"", b"A1", b"a" * 50, b"a" * 51, b"1161880001", b"Hola, Ana", b"\xc3\xb1", b" ", b"x\ty", b"*1*"]
)


@given(st.lists(st.lists(PART, max_size=4), max_size=6), st.sampled_from([b",", b"\t"]))
def test_splitting_a_block_is_splitting_its_lines(parts, separator):
    lines = [line for line in (separator.join(fields) for fields in parts) if line]
    together = bloque.parse(lines, separator)
    each = [bloque.parse([line], separator) for line in lines]
    assert together.ids == [idinterno for one in each for idinterno in one.ids]
    assert together.rests == [rest for one in each for rest in one.rests]
    assert together.ignored == [ignored for one in each for ignored in one.ignored]
    assert len(together.ids) + len(together.ignored) == len(lines)
    for idinterno, rest in zip(together.ids, together.rests, strict=True):
        assert idinterno.isalnum()
        assert b"" not in rest.split(b"\t", 1)


REST = st.tuples(
    st.from_regex(rb"[0-4x]{1}[0-9]{8,10}", fullmatch=True),
    st.text(st.sampled_from("abcXYZ0189!?#$%()*+,-./:;=@ ñ\t{1"), min_size=1, max_size=170),
).map(lambda pair: pair[0] + b"\t" + pair[1].encode())


@given(st.lists(REST, min_size=1, max_size=3))
def test_a_block_that_passes_at_once_has_no_line_that_is_refused(rests):
    if verdicts.all_plain(rests, "AR"):
        assert [verdicts.judge(*rest.split(b"\t", 1), "AR") for rest in rests] == [None] * len(rests)


@given(st.lists(st.from_regex(rb"[123][0-9]{9}\t[a-zA-Z ,.$]{1,160}", fullmatch=True), min_size=1, max_size=3))
def test_ordinary_lines_take_the_fast_path(rests):
    assert verdicts.all_plain(rests, "AR")


@given(st.binary(max_size=30), st.integers(0, 2**31))
def test_a_draw_is_a_fraction_that_content_and_seed_decide(content, salt):
    assert 0 <= verdicts.fraction(content, salt) < 1
    assert verdicts.fraction(content, salt) == verdicts.fraction(content, salt)


@pytest.mark.parametrize("shares", [{"-1": 0.6, "-2": 0.5}, {"-13": 0.1}])
def test_a_mix_of_more_than_one_or_of_unknown_codes_is_refused(shares):
    with pytest.raises(ValueError, match=r"mix adds up|guide has no code"):
        Mix.of(shares, 0)


@pytest.mark.parametrize(
    ("window", "at", "opens"),
    [
        ("08:00-22:00", "2026-03-10 08:00:00", "2026-03-10 08:00:00"),
        ("08:00-22:00", "2026-03-10 21:59:59", "2026-03-10 21:59:59"),
        ("08:00-22:00", "2026-03-10 22:00:00", "2026-03-11 08:00:00"),
        ("08:00-22:00", "2026-03-10 07:59:59", "2026-03-10 08:00:00"),
        ("08:00-22:00", "2026-12-31 23:00:00", "2027-01-01 08:00:00"),
        ("00:00-24:00", "2026-03-10 23:59:59", "2026-03-10 23:59:59"),
        ("20:00-06:00", "2026-03-10 05:59:59", "2026-03-10 05:59:59"),
        ("20:00-06:00", "2026-03-10 06:00:00", "2026-03-10 20:00:00"),
    ],
)
def test_the_window_opens_in_provider_time(window, at, opens):
    assert clock.Window(window).next_opening(clock.parse_iso(at)) == clock.parse_iso(opens)


@pytest.mark.parametrize("text", ["8-22", "08:00-25:00", "08:60-22:00", "", "08:00–22:00"])
def test_a_window_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="window"):
        clock.Window(text)


def test_provider_time_runs_on_the_monotonic_clock():
    ours = {"wall": 1_000.0, "monotonic": 5.0}
    time = clock.ProviderClock(offset=90, wall=lambda: ours["wall"], monotonic=lambda: ours["monotonic"])
    assert time.now() == 1_090
    ours["wall"] += 3_600  # a stepped system clock
    ours["monotonic"] += 10
    assert time.now() == 1_100
    time.change(speed=60)
    ours["monotonic"] += 10
    assert time.now() == 1_700
    time.change(advance=-700, speed=1)
    assert time.now() == 1_000
    time.change(at="2026-03-10 12:00:00")
    assert clock.iso(time.now()) == "2026-03-10 12:00:00"
    time.change(offset=-90)
    assert time.now() == ours["wall"] - 90
