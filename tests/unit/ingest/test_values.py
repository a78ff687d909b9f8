"""What a cell says when it says nothing: errors of spreadsheets, and words of programs for an empty field."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import openpyxl
import polars as pl
import pytest

from dispatcher.errors import UsageError
from dispatcher.ingest import Source, from_recipients, open_source
from tests.unit.ingest.books import book, cell, rows
from tests.unit.ingest.lists import batches, opened, outcomes

TEXT = "Hola {nombre}, saldo ${saldo}."
NUMBER = "1144445555"
Make = Callable[[list[dict[str, str]]], Source]


def csv_list(rows: list[dict[str, str]]) -> Source:
    lines = [";".join(rows[0]), *(";".join(row.values()) for row in rows)]
    return open_source(io.BytesIO("\n".join(lines).encode()))


def jsonl_list(rows: list[dict[str, str]]) -> Source:
    return open_source(io.BytesIO("\n".join(json.dumps(row) for row in rows).encode()))


def xlsx_list(rows: list[dict[str, str]]) -> Source:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    data = io.BytesIO()
    book.save(data)
    return open_source(data)


def inline_list(rows: list[dict[str, str]]) -> Source:
    return from_recipients([dict(row) for row in rows])


every_format = pytest.mark.parametrize("make", [csv_list, xlsx_list, jsonl_list, inline_list])

ERRORS = (
    *("#N/D", "#N/A", "#¡REF!", "#REF!", "#DIV/0!", "#¡DIV/0!", "#¿NOMBRE?", "#NAME?", "#¡VALOR!", "#VALUE!", "#¡NUM!"),
    *("#¡NULO!", "########", "#n/a", "Err:502", "#N/A N/A", "=A1+B1", "=SUMA(A1)", "=Hoja1!A2", "=1+1", "=$B$2"),
)
WORDS = (
    *("NULL", "nan", "NaN", "None", "undefined", "N/A", "\\N", "(null)", "-", "S/D", "nil", "NaT", "NA", "<NA>"),
    *("sin datos", "(en blanco)", "nulo", ".", "?", "–"),
)


def row(**values: str) -> dict[str, str]:
    return {"telefono": NUMBER, "nombre": "Ana", "saldo": "10", "nota": "x"} | values


@every_format
@pytest.mark.parametrize("column", ["nombre", "saldo"])
def test_a_formula_error_is_never_sent(make: Make, column: str) -> None:
    rows = [row(telefono=f"11{44440000 + n}") | {column: shown} for n, shown in enumerate(ERRORS)]
    assert [end[2] for end in outcomes(make(rows), TEXT).values()] == ["formula_error"] * len(ERRORS)


@every_format
def test_a_formula_error_in_the_number_is_called_so(make: Make) -> None:
    rows = [row(telefono=shown) for shown in ERRORS]
    assert [end[2] for end in outcomes(make(rows), TEXT).values()] == ["formula_error"] * len(ERRORS)


@every_format
def test_a_formula_error_that_nobody_needs_does_no_harm(make: Make) -> None:
    assert [end[0] for end in outcomes(make([row(nota="#N/D")]), TEXT).values()] == ["message"]


@every_format
def test_a_word_for_nothing_is_an_empty_field(make: Make) -> None:
    rows = [row(telefono=f"11{44440000 + n}", nombre=word) for n, word in enumerate(WORDS)]
    found = pl.concat([batch.invalid_rows for batch in batches(make(rows), TEXT)])
    assert found["reason"].to_list() == ["field_empty"] * len(WORDS)
    for word, detail, facts in zip(WORDS, found["detail"], found["facts"], strict=True):
        assert "'nombre'" in detail
        assert json.loads(facts) == {"columns": ["nombre"], "words": [word]}


@every_format
def test_a_word_in_the_place_of_the_number_is_an_empty_number(make: Make) -> None:
    found = outcomes(make([row(telefono=word) for word in WORDS]), TEXT)
    assert [end[2] for end in found.values()] == ["number_empty"] * len(WORDS)


@every_format
def test_words_are_sent_as_they_are_by_who_means_them(make: Make) -> None:
    (end,) = outcomes(make([row(nombre="None")]), TEXT, keep_words=True).values()
    assert end == ("message", NUMBER, "Hola None, saldo $10.")


@every_format
def test_a_word_within_a_value_is_only_a_word(make: Make) -> None:
    (end,) = outcomes(make([row(nombre="Nan-Su Null")]), TEXT).values()
    assert end == ("message", NUMBER, "Hola Nan-Su Null, saldo $10.")


def test_an_error_of_a_workbook_that_nobody_knows_is_never_sent() -> None:
    data = book(
        rows([cell("A1", "telefono"), cell("B1", "nombre")], [cell("A2", NUMBER), cell("B2", "#ODD", kind="e")])
    )
    assert outcomes(opened(data), "Hola {nombre}") == {2: ("invalid_row", None, "formula_error")}


def test_letters_that_were_lost_in_a_number_that_is_not_taken_do_no_harm() -> None:
    text = f"telefono;celular;nombre\n{NUMBER};Garc\ufffda;Ana\n"
    assert outcomes(text, "Hola {nombre}") == {2: ("message", NUMBER, "Hola Ana")}
    asked = outcomes(text, "Hola {nombre}", to_column="telefono,celular")
    assert asked == {2: ("invalid_row", None, "damaged_text")}


def test_what_a_reason_says_can_be_stored_whatever_the_list_holds() -> None:
    odd = "\ud800" + "n" * 500
    people = [{"telefono": NUMBER, odd: ["no"]}, {"telefono": NUMBER, odd: "\x00"}]
    (batch,) = batches(from_recipients(people), "Hola", id_column="\\ud800" + "n" * 500)
    assert batch.invalid_rows["reason"].to_list() == ["value_nested", "nul_byte"]
    for said, facts in batch.invalid_rows.select("detail", "facts").iter_rows():
        assert "\\ud800nnn" in said
        assert json.loads(facts)["column"].startswith("\\ud800nnn")
        assert len(said) < 400


def test_a_long_row_of_marks_is_an_error_with_a_short_reason() -> None:
    found = batches(f"telefono;nombre\n{NUMBER};{'#' * 60_000}\n", "Hola {nombre}")[0].invalid_rows
    assert found["reason"].to_list() == ["formula_error"]
    assert len(json.loads(found["facts"][0])["words"][0]) == 100


@every_format
@pytest.mark.parametrize("column", ["nombre", "saldo"])
@pytest.mark.parametrize("shown", ["1,5E+03", "5.49116E+12", "3E+07", "1e-07", "-1,2E-05"])
def test_a_number_that_a_spreadsheet_shortened_is_never_sent(make: Make, column: str, shown: str) -> None:
    assert [end[2] for end in outcomes(make([row() | {column: shown}]), TEXT).values()] == ["value_cut"]


@every_format
def test_what_only_looks_like_an_exponent_is_sent(make: Make) -> None:
    (end,) = outcomes(make([row(nombre="Piso 2E+ 10", saldo="2E5")]), TEXT).values()
    assert end == ("message", NUMBER, "Hola Piso 2E+ 10, saldo $2E5.")


@every_format
@pytest.mark.parametrize("lost", ["Pe?a", "MU?OZ", "Mar?a Jos", "?lvarez", "Ana ?ngel"])
def test_a_name_with_a_question_mark_for_a_letter_is_never_sent(make: Make, lost: str) -> None:
    assert [end[2] for end in outcomes(make([row(nombre=lost)]), TEXT).values()] == ["damaged_text"]


@every_format
@pytest.mark.parametrize("whole", ["Vamos?", "x.com/a?b=1", "a@b.com?c", "Bien?Si", "ok? no"])
def test_a_question_mark_that_asks_is_sent(make: Make, whole: str) -> None:
    (end,) = outcomes(make([row(nombre=whole)]), TEXT).values()
    assert end == ("message", NUMBER, f"Hola {whole}, saldo $10.")


@pytest.mark.parametrize("make", [xlsx_list, jsonl_list, inline_list])
def test_signs_of_html_are_read_as_what_they_stand_for_and_told(make: Make) -> None:
    with make([row(nombre="Pe&ntilde;a", nota="&amp;"), row(telefono="1144445556", nombre="Jos&#233;")]) as source:
        assert [end[2] for end in outcomes(source, TEXT).values()] == [
            "Hola Pena, saldo $10.",
            "Hola Jose, saldo $10.",
        ]
        assert [(each.code, dict(each.values)) for each in source.remarks][-1] == ("html_signs", {"values": 2})


@pytest.mark.parametrize("make", [csv_list, jsonl_list, inline_list])
def test_what_is_guarded_from_a_spreadsheet_is_read_without_the_guard(make: Make) -> None:
    guarded = row(telefono=f'="{NUMBER}"', nombre='="Ana"', saldo='="0010"')
    (batch,) = batches(make([guarded]), TEXT, id_column="saldo")
    assert batch.messages["texto"].to_list() == ["Hola Ana, saldo $0010."]
    assert batch.messages["external_id"].to_list() == ["0010"]


@every_format
def test_a_dollar_stands_before_an_amount_and_never_before_a_word(make: Make) -> None:
    assert [end[2] for end in outcomes(make([row()]), "Hola ${nombre}").values()] == ["sign_before_words"]
    assert [end[2] for end in outcomes(make([row(saldo="sin deuda")]), TEXT).values()] == ["sign_before_words"]
    assert [end[2] for end in outcomes(make([row()]), "Hola ${nombre}", literal=True).values()] == ["Hola $Ana"]


@every_format
def test_an_emoji_leaves_no_blank_before_a_comma(make: Make) -> None:
    (end,) = outcomes(make([row(nombre="Ana 😀")]), TEXT).values()
    assert end[2] == "Hola Ana, saldo $10."


@every_format
def test_an_id_that_says_nothing_is_none_and_a_broken_one_is_refused(make: Make) -> None:
    ids = ["A1", "NULL", "-", "#N/D", "3,01E+07"]
    people = [row(telefono=f"11{44440000 + n}", nota=each) for n, each in enumerate(ids)]
    found = batches(make(people), TEXT, id_column="nota")
    assert pl.concat([batch.messages for batch in found])["external_id"].to_list() == ["A1", None, None]
    reasons = pl.concat([batch.invalid_rows for batch in found])["reason"].to_list()
    assert reasons == ["formula_error", "value_cut"]


def test_a_column_of_ids_that_is_not_there_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match="'documento'") as caught:
        batches(inline_list([row()]), TEXT, id_column="documento")
    assert caught.value.hint
    with pytest.raises(UsageError, match="2 columns called 'nota'"):
        batches("telefono;nota;nota\n1144445555;1;2\n", "Hola", id_column="nota")
    assert batches("telefono;Nota\n1144445555;1\n", "Hola", id_column="NOTA")[0].messages["external_id"][0] == "1"


def test_a_number_in_json_is_sent_as_it_is_written() -> None:
    lines = (
        '{"telefono": "1144445555", "saldo": 1500.50}\n{"telefono": 1.144445556E9, "saldo": 10.0}\n'
        '{"telefono": 1144445557.0, "saldo": 0.0000001}\n{"telefono": "1144445558", "saldo": 1e400}\n'
    )
    assert [end[2] for end in outcomes(lines, "{saldo}").values()] == ["1500.50", "10", "0.0000001", "bad_json"]
