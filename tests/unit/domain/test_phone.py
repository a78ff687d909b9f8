"""Every written form of a number reads as the national number, or says why it does not."""

from __future__ import annotations

import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.domain.phone import AREA_CODES, COUNTRIES, PLANS, PhoneProblem, normalise
from dispatcher.ingest.numbers import Recipients, destinos


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1144445555", "1144445555"),
        ("+54 9 11 4444-5555", "1144445555"),
        ("011 15 4444-5555", "1144445555"),
        ("11 15 4444 5555", "1144445555"),
        ("(0221) 15-456-7890", "2214567890"),
        ("02202 15 421234", "2202421234"),
        ("5491144445555", "1144445555"),
        ("54 11 15 4444 5555", "1144445555"),
        ("00 54 9 11 4444 5555", "1144445555"),
        ("91144445555", "1144445555"),
        ("11.4444.5555", "1144445555"),
        ("1.144.445.555", "1144445555"),
        ("1144445555.0", "1144445555"),
        ("1144445555,00", "1144445555"),
        ("1.144445555E9", "1144445555"),
        ("1,144445555E+09", "1144445555"),
        ("1.14444555E9", "1144445550"),
        ("'1144445555", "1144445555"),
        ("\u202a+54\u00a09\u200b11 4444\u20115555\u202c", "1144445555"),
        ("１１４４４４５５５５", "1144445555"),
        ("tel:+5491144445555", "1144445555"),
        ("Tel. 11 4444-5555", "1144445555"),
        ("Tel/Cel: 11 4444-5555", "1144445555"),
        ("cel: 11 4444-5555", "1144445555"),
        ("Teléfono: 11 4444-5555", "1144445555"),
        ("wsp 1144445555", "1144445555"),
        ("11 4444-5555 (WhatsApp)", "1144445555"),
        ("https://wa.me/5491144445555?text=Hola", "1144445555"),
        ("5491144445555@c.us", "1144445555"),
        ("1144445555 / 11 4444-5555", "1144445555"),
    ],
)
def test_every_written_form_of_an_argentine_number_is_read(written: str, number: str) -> None:
    assert normalise(written) == number


@pytest.mark.parametrize(
    ("written", "code", "reason"),
    [
        ("", -7, "number_empty"),
        (" \u00a0\u200b", -7, "number_empty"),
        ("4444-5555", -7, "number_too_short"),
        ("114444555566", -7, "number_too_long"),
        ("1144445555/1166667777", -8, "number_two"),
        ("11 4444 5555 / 11 3333 2222", -8, "number_two"),
        ("11 4444 5555 11 3333 2222", -8, "number_two"),
        ("1144445555\n1133332222", -8, "number_two"),
        ("Tel fijo 1144445555", -8, "number_characters"),
        ("1144445555 int 23", -8, "number_characters"),
        ("tel", -7, "number_empty"),
        ("15 456-7890", -9, "number_local"),
        ("11-4444-555x", -8, "number_characters"),
        ("=1144445555", -8, "number_characters"),
        ("+", -8, "number_characters"),
        ("1.14445E+09", -8, "number_cut"),
        ("15 2345-6789", -9, "number_local"),
        ("1244445555", -9, "number_area"),
        ("+1 212 555 1234", -9, "number_foreign"),
        ("0800-333-1234", -10, "number_service"),
        ("0810 888 1234", -10, "number_service"),
        ("0600 333 1234", -10, "number_service"),
        ("9144445555", -12, "number_prefix"),
    ],
)
def test_what_is_no_argentine_number_says_why(written: str, code: int, reason: str) -> None:
    problem = normalise(written)
    assert isinstance(problem, PhoneProblem)
    assert (problem.code, problem.reason) == (code, reason)
    assert problem.detail


def test_of_two_numbers_the_first_good_one_is_taken_when_asked_for() -> None:
    assert normalise("11 4444 5555 / 11 3333 2222", first_number=True) == "1144445555"
    assert normalise("12 / 11 3333 2222 y 11 4444 5555", first_number=True) == "1133332222"
    assert isinstance(normalise("12 / 34", first_number=True), PhoneProblem)


@pytest.mark.parametrize(
    ("area", "written", "number"),
    [
        ("11", "15 4444-5555", "1144445555"),
        ("11", "015 4444-5555", "1144445555"),
        ("11", "4444-5555", "1144445555"),
        ("221", "15 456-7890", "2214567890"),
        ("2202", "15 421234", "2202421234"),
        ("11", "0221 15 456-7890", "2214567890"),
        ("11", "1542-1234", None),
        ("221", "15 4444-5555", None),
    ],
)
def test_an_area_completes_local_numbers_and_no_others(area: str, written: str, number: str | None) -> None:
    found = normalise(written, area=area)
    assert (found if isinstance(found, str) else None) == number


@pytest.mark.parametrize("written", ["(" * 100_000, "1" * 100_000, "tel " * 50_000, "1 " * 100_000, "%" * 100_000])
def test_a_cell_of_a_hundred_thousand_characters_is_refused_at_once(written: str) -> None:
    began = time.process_time()
    assert isinstance(normalise(written), PhoneProblem)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("country", "written", "number"),
    [
        ("UY", "099 123 456", "99123456"),
        ("UY", "+598 99 123 456", "99123456"),
        ("GT", "+502 5123-4567", "51234567"),
        ("MX", "+52 1 55 1234 5678", "5512345678"),
        ("MX", "044 55 1234 5678", "5512345678"),
        ("PE", "+51 987 654 321", "987654321"),
        ("PE", "987654321.0", "987654321"),
    ],
)
def test_the_other_countries_have_their_own_lengths(country: str, written: str, number: str) -> None:
    assert normalise(written, country) == number


def test_a_number_of_a_neighbour_is_not_taken_for_one_of_ours() -> None:
    problem = normalise("+54 9 11 4444-5555", "UY")
    assert isinstance(problem, PhoneProblem)
    assert problem.reason == "number_foreign"


def test_no_area_code_can_be_misread_around_a_15() -> None:
    assert len(AREA_CODES) == 300
    longer = {code for code in AREA_CODES if len(code) == 4 and code.endswith("1") and code[:3] in AREA_CODES}
    assert not longer


@st.composite
def national_numbers(draw: st.DrawFn) -> tuple[str, str]:
    area = draw(st.sampled_from(sorted(AREA_CODES)))
    rest = draw(st.text("0123456789", min_size=10 - len(area), max_size=10 - len(area)))
    return area, rest


FORMS = [
    "{a}{r}",
    "0{a}{r}",
    "{a} {r}",
    "({a}) {r}",
    "(0{a}) 15-{r}",
    "0{a} 15 {r}",
    "{a}15{r}",
    "{a}-15-{r}",
    "+54 9 {a} {r}",
    "+54 {a} {r}",
    "+549{a}{r}",
    "549{a}{r}",
    "54{a}{r}",
    "54 0{a} 15 {r}",
    "0054 9 {a} {r}",
    "+54 (9) {a}/{r}",
    "{a}{r}.0",
    "'{a}{r}",
    "{a}\u00a0{r}\u200b",
]


@settings(deadline=None)
@given(national_numbers(), st.sampled_from(FORMS))
def test_a_number_comes_back_from_any_form_it_is_written_in(number: tuple[str, str], form: str) -> None:
    area, rest = number
    assert normalise(form.format(a=area, r=rest)) == area + rest


@settings(deadline=None)
@given(national_numbers())
def test_a_number_comes_back_from_scientific_form(number: tuple[str, str]) -> None:
    digits = "".join(number)
    assert normalise(f"{digits[0]}.{digits[1:]}E+09") == digits


@settings(deadline=None)
@given(st.text(), st.sampled_from(COUNTRIES))
def test_any_text_is_a_number_of_the_right_length_or_a_problem(written: str, country: str) -> None:
    found = normalise(written, country)
    if isinstance(found, str):
        assert found.isascii()
        assert found.isdigit()
        assert len(found) == PLANS[country].digits
    else:
        assert found.code in (-7, -8, -9, -10, -12)


writings = st.one_of(
    st.text("0123456789 +-().E,/'\u00a0", max_size=20),
    st.builds(lambda n, f: f.format(a=n[0], r=n[1]), national_numbers(), st.sampled_from(FORMS)),
    st.text(max_size=12),
)


@settings(deadline=None)
@given(st.lists(writings, max_size=20), st.sampled_from(COUNTRIES))
def test_a_column_of_numbers_is_read_as_each_of_them_alone(written: list[str], country: str) -> None:
    numbers, problems = destinos(pl.Series(written, dtype=pl.String), country)
    for raw, number in zip(written, numbers, strict=True):
        found = normalise(raw, country)
        assert (number if number is not None else problems[raw]) == found


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(10**9, 10**9 + 20), max_size=10), max_size=5))
def test_only_the_first_of_a_number_is_new(batches: list[list[int]]) -> None:
    recipients = Recipients()
    seen: set[int] = set()
    for batch in batches:
        repeated = recipients.repeated(pl.Series([str(n) for n in batch], dtype=pl.String))
        for number, again in zip(batch, repeated, strict=True):
            assert again == (number in seen)
            seen.add(number)
