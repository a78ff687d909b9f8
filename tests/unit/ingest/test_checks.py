"""The checks of a row come in their order, and each row ends in one place."""

from __future__ import annotations

from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.errors import UsageError
from dispatcher.ingest import INVALID_ROWS, MESSAGES, from_recipients
from tests.unit.ingest.lists import SALDO, batches, outcomes


def recipients(
    *rows: dict[str, object], template: str = "Hola {nombre}", **options: object
) -> list[tuple[object, ...]]:
    return list(outcomes(from_recipients(list(rows)), template, **options).values())


def one(nombre: object, template: str = "Hola {nombre}", **options: object) -> tuple[object, ...]:
    return recipients({"telefono": "1144445555", "nombre": nombre}, template=template, **options)[0]


def test_a_list_may_have_a_thousand_columns() -> None:
    row: dict[str, object] = {"telefono": "1144445555", "nombre": "Ana", **{f"c{n}": n for n in range(998)}}
    assert recipients(row)[0][0] == "message"


def test_columns_without_end_are_refused_before_the_rest_is_looked_at() -> None:
    row: dict[str, object] = {"telefono": "1144445555", **{f"c{n}": 1 for n in range(50_000)}}
    with pytest.raises(UsageError, match="1,001 columns with content"):
        from_recipients([row])


def test_one_column_in_endless_spellings_is_refused_at_once() -> None:
    row: dict[str, object] = {"telefono": "1144445555"}
    row |= {"c" + "\u200b" * (n // 100) + " " * (n % 100): 1 for n in range(12_000)}
    with pytest.raises(UsageError, match="columns with content"):
        from_recipients([row])


def test_the_number_comes_before_everything_else() -> None:
    assert recipients({"telefono": "12", "nombre": ""}) == [("invalid_row", -7, "number_too_short")]


def test_the_sentence_of_a_reject_names_the_column() -> None:
    (batch,) = batches(from_recipients([{"Teléfono": "12"}]), "Hola")
    assert batch.invalid_rows["detail"][0].startswith("column 'Teléfono': 12 is too short")


def test_a_duplicate_comes_before_the_text_and_names_the_first_line() -> None:
    rows = from_recipients([{"telefono": "1144445555", "nombre": "a"}, {"telefono": "011 15 44445555", "nombre": ""}])
    (batch,) = batches(rows, "{nombre}")
    assert batch.invalid_rows["reason"].to_list() == ["duplicate"]
    assert "line 1" in batch.invalid_rows["detail"][0]


def test_a_duplicate_is_found_across_batches() -> None:
    rows = [{"telefono": f"114444555{n % 3}", "nombre": "a"} for n in range(9)]
    found = outcomes(from_recipients(rows), "{nombre}", batch_rows=2)
    assert [end[0] for end in found.values()] == ["message"] * 3 + ["invalid_row"] * 6


@pytest.mark.parametrize("value", [None, "", "  ", "\u00a0"])
def test_an_empty_field_is_told_by_its_name(value: str | None) -> None:
    (batch,) = batches(from_recipients([{"telefono": "1144445555", "nombre": value}, {"nombre": "x"}]), "{nombre}")
    assert batch.invalid_rows["code"].to_list() == [-99, -7]
    assert "'nombre'" in batch.invalid_rows["detail"][0]


def test_a_placeholder_left_over_comes_before_the_alphabet() -> None:
    assert one("*1* &") == ("invalid_row", -99, "placeholder_left")
    assert one("{x}") == ("invalid_row", -99, "placeholder_left")
    assert one("1", template="*{nombre}*") == ("invalid_row", -99, "placeholder_left")


def test_the_alphabet_comes_before_the_length() -> None:
    assert one("&" * 200) == ("invalid_row", -11, "text_characters")
    assert one("a" * 155) == ("message", "1144445555", "Hola " + "a" * 155)
    assert one("a" * 156) == ("invalid_row", -6, "text_too_long")


def test_the_length_is_that_of_the_text_that_is_sent() -> None:
    assert one("😀" * 200)[:2] == ("message", "1144445555")
    assert one("…" * 60) == ("invalid_row", -6, "text_too_long")


def test_a_text_of_which_nothing_is_left_is_rejected() -> None:
    assert one("😀", template="{nombre}") == ("invalid_row", None, "text_empty")


def test_strict_text_refuses_what_would_be_spelled_otherwise() -> None:
    assert one("José", strict_text=True) == ("invalid_row", -11, "text_characters")
    assert one("Jose", strict_text=True)[0] == "message"


def test_a_verification_code_must_name_the_company() -> None:
    with pytest.raises(UsageError) as caught:
        one("123", template="Su código de verificación es {nombre}")
    assert "DISPATCHER_COMPANY" in str(caught.value.hint)
    code = "su código de verificación es 1"
    assert one(code) == ("invalid_row", -99, "verification_without_company")
    assert one(code, company="Empresa SA") == ("invalid_row", -99, "verification_without_company")
    assert one("Empresa S.A.: " + code, company="empresa sa")[0] == "message"
    assert one("12", template="Empresa SA: su OTP es {nombre}", company="Empresa SA")[0] == "message"
    assert one("su código de cliente es 1")[0] == "message"


def test_braces_in_a_value_are_not_sent() -> None:
    assert one("{x}", template="Hola {nombre}") == ("invalid_row", -99, "placeholder_left")


def test_a_template_without_columns_says_the_same_to_everyone() -> None:
    assert one("a", template="Hola a todos") == ("message", "1144445555", "Hola a todos")


def test_the_callers_id_comes_through() -> None:
    rows = [
        {"tos": "1144445555", "id": " X1 "},
        {"tos": "1144445556", "id": ""},
        {"tos": "1144445557", "id": 12.0},
    ]
    (batch,) = batches(from_recipients(rows), "Hola", id_column="ID")
    assert batch.messages["external_id"].to_list() == ["X1", None, "12"]


def test_batches_have_the_promised_columns() -> None:
    (batch,) = batches(from_recipients([{"tos": "1144445555"}, {"tos": "x"}]), "Hola, a 1/2: $5")
    assert dict(batch.messages.schema) == MESSAGES
    assert dict(batch.invalid_rows.schema) == INVALID_ROWS
    assert batch.messages["encoded_bytes"].to_list() == [len(quote_plus("Hola, a 1/2: $5"))]
    assert batch.messages["external_id"].to_list() == [None]


def test_an_empty_list_of_recipients_is_refused() -> None:
    with pytest.raises(UsageError):
        batches(from_recipients([]))


def test_an_unknown_country_is_refused() -> None:
    with pytest.raises(UsageError, match="'ZZ'"):
        one("a", country="ZZ")


values = st.one_of(
    st.none(),
    st.text(max_size=6),
    st.sampled_from(["1144445555", "011 15 4444-5556", "*1*", "{x}", "&", "Ñandú", "a" * 150]),
    st.integers(0, 10**12),
    st.floats(),
    st.lists(st.integers(), max_size=2),
)
rows = st.lists(st.dictionaries(st.sampled_from(["telefono", "nombre", "saldo"]), values), max_size=15)


@settings(deadline=None)
@given(rows, st.integers(1, 20), st.booleans())
def test_every_row_ends_in_exactly_one_place(rows: list[dict[str, object]], batch_rows: int, strict: bool) -> None:
    rows = [{"telefono": "", "nombre": "x", "saldo": ""}, *rows]
    found = outcomes(from_recipients(rows), SALDO, batch_rows=batch_rows, strict_text=strict)
    filled = [any(value is not None and str(value).strip() for value in row.values()) for row in rows]
    assert found.keys() <= set(range(1, len(rows) + 1))
    assert found.keys() >= {line for line, holds in enumerate(filled, 1) if holds and str(rows[line - 1]).isascii()}
    sent = [end[1] for end in found.values() if end[0] == "message"]
    assert len(sent) == len(set(sent))
