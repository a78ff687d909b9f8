"""What a cell says when it says nothing: errors of spreadsheets, and words of programs for an empty field."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import openpyxl
import polars as pl
import pytest

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
    *("#¡NULO!", "########", "#n/a", "Err:502"),
)
WORDS = ("NULL", "nan", "NaN", "None", "undefined", "N/A", "\\N", "(null)", "-")


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
