"""Workbooks: cells as people see them, rows as the spreadsheet numbers them."""

from __future__ import annotations

import datetime
import io
from typing import Any

import openpyxl
import pytest

from dispatcher.errors import UsageError
from dispatcher.ingest import open_source
from tests.unit.ingest.lists import batches, outcomes

VALUE = "{valor}"


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.create_sheet("otra").append(["notas"])
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("Ana", "Ana"),
        (1500.5, "1500,5"),
        (1500.0, "1500"),
        (0.1 + 0.2, "0,3"),
        (True, "VERDADERO"),
        (datetime.date(2026, 3, 1), "01/03/2026"),
        (datetime.datetime(2026, 3, 1, 9, 5), "01/03/2026 09:05"),
        (datetime.time(9, 5), "9:05:00"),
    ],
)
def test_a_value_is_written_as_people_see_it(value: object, seen: str) -> None:
    data = workbook(["telefono", "valor"], [1144445555.0, value])
    assert outcomes(data, VALUE) == {2: ("message", "1144445555", seen)}


def test_rows_are_numbered_as_the_sheet_numbers_them() -> None:
    data = workbook([], ["Teléfono", None, "valor"], [], [1144445555, None, "a"], [None, None, None], ["x", 1, "b"])
    assert outcomes(data, VALUE) == {
        4: ("message", "1144445555", "a"),
        6: ("invalid_row", -8, "number_characters"),
    }


def test_an_error_cell_makes_its_row_invalid_when_its_column_is_used() -> None:
    data = workbook(["telefono", "valor", "otro"], ["1144445555", "#N/A", 1], ["1144445556", "a", "#REF!"])
    assert outcomes(data, VALUE) == {
        2: ("invalid_row", None, "formula_error"),
        3: ("message", "1144445556", "a"),
    }


@pytest.mark.parametrize("template", [VALUE, "Hola {valor|cliente}"])
def test_a_formula_whose_value_was_not_saved_is_no_empty_cell(template: str) -> None:
    data = workbook(["telefono", "valor"], ["1144445555", "=1+1"])
    assert outcomes(data, template) == {2: ("invalid_row", None, "formula_error")}
    (batch,) = batches(data, template)
    assert "was not saved" in batch.invalid_rows["detail"][0]


def test_a_long_sheet_comes_in_batches_with_a_position() -> None:
    data = workbook(["telefono", "valor"], *([f"11{n:08d}", n + 1] for n in range(25)))
    found = batches(data, VALUE, batch_rows=10)
    assert [batch.rows for batch in found] == [10, 10, 5]
    positions = [batch.position for batch in found]
    assert positions == sorted(positions)
    assert positions[-1] == len(data)


def test_an_empty_workbook_is_refused_by_the_name_of_its_sheet() -> None:
    saved = io.BytesIO()
    openpyxl.Workbook().save(saved)
    with pytest.raises(UsageError, match="'Sheet'"):
        open_source(saved)


def test_a_workbook_that_is_cut_off_is_refused() -> None:
    data = workbook(["telefono", "valor"], *([f"11{n:08d}", n] for n in range(500)))
    with pytest.raises(UsageError, match="damaged"):
        batches(data[: len(data) // 2], VALUE)
