"""Cells of a workbook are read as an Argentine spreadsheet shows them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.ingest.workbook.formats import renderer
from tests.unit.ingest.books import book, cell, rows
from tests.unit.ingest.lists import opened, outcomes

HEAD = [cell("A1", "telefono"), cell("B1", "valor")]


@pytest.mark.parametrize(
    ("value", "code", "seen"),
    [
        (0.21, "0%", "21%"),
        (0.215, "0.0%", "21,5%"),
        (1234.5, '"$" #,##0.00', "$ 1.234,50"),
        (1234.5, '"$"\\ #,##0.00', "$ 1.234,50"),
        (1234.5, "[$$-2C0A] #,##0.00", "$ 1.234,50"),
        (1234.5, '_-"$" * #,##0.00_-;-"$" * #,##0.00_-;_-"$" * "-"??_-;_-@_-', "$ 1.234,50"),
        (-1234.5, '_-"$" * #,##0.00_-;-"$" * #,##0.00_-;_-"$" * "-"??_-;_-@_-', "-$ 1.234,50"),
        (0, '_-"$" * #,##0.00_-;-"$" * #,##0.00_-;_-"$" * "-"??_-;_-@_-', "$ 0,00"),
        (0, '#,##0;-#,##0;"-"', "0"),
        (12345, "0.00E+00", "12345"),
        (-5, '"$" #,##0', "-$ 5"),
        (-5, "#,##0;[Red](#,##0)", "(5)"),
        (1500, "#,##0.00", "1.500,00"),
        (1234567.891, "#,##0", "1.234.568"),
        (1500000, "#,##0,", "1.500"),
        (0.125, "0.00", "0,13"),
        (2.675, "0.00", "2,68"),
        (427, "000000", "000427"),
        (20304050607, "00\\-00000000\\-0", "20-30405060-7"),
        (1144445555, "0", "1144445555"),
        (1144445555, "General", "1144445555"),
        (1500.5, "General", "1500,5"),
        (0.1 + 0.2, "General", "0,3"),
        (5491144445555, "General", "5491144445555"),
        (46357.4166666, "dd/mm/yyyy hh:mm", "01/12/2026 10:00"),
        (0.4166666, "hh:mm", "10:00"),
        (0.4166666, "h:mm AM/PM", "10:00 a. m."),
        (0.75, "hh:mm", "18:00"),
        (1.5, "[h]:mm", "36:00"),
        (46357, "d mmm", "1 dic"),
        (46357, "d-mmm-yy", "1-dic-26"),
        (46357, 'dddd d "de" mmmm', "martes 1 de diciembre"),
        (46357, "[$-409]d mmm", "1 Dec"),
        (46357, "[$-F800]dddd, mmmm dd, yyyy", "martes, 1 de diciembre de 2026"),
        (46357, "m/d/yyyy", "1/12/2026"),
        (46357, "mm/dd/yyyy", "01/12/2026"),
        (46357, "dd/mm/aaaa", "01/12/2026"),
        (46357, "yyyy-mm-dd", "01/12/2026"),
        (46357.5, "yyyy-mm-dd hh:mm:ss", "01/12/2026 12:00"),
        (7, '"Cuota "0', "Cuota 7"),
        (1500, '[>=1000]#,##0," mil";0', "2 mil"),
    ],
)
def test_a_number_is_written_as_its_cell_shows_it(value: float, code: str, seen: str) -> None:
    data = book(rows(HEAD, [cell("A2", 1144445555), cell("B2", value, 1)]), formats=(code,))
    assert outcomes(data, "{valor}") == {2: ("message", "1144445555", seen)}


def test_a_text_gets_what_its_format_puts_around_it() -> None:
    data = book(rows(HEAD, [cell("A2", 1144445555), cell("B2", "Ana", 1)]), formats=('"Sra. "@',))
    assert outcomes(data, "{valor}") == {2: ("message", "1144445555", "Sra. Ana")}


@pytest.mark.parametrize("value", [-1, 3_000_000, 1e300])
def test_what_a_cell_cannot_show_is_a_formula_error(value: float) -> None:
    data = book(rows(HEAD, [cell("A2", 1144445555), cell("B2", value, 1)]), formats=("dd/mm/yyyy",))
    assert outcomes(data, "{valor}") == {2: ("invalid_row", None, "formula_error")}


@pytest.mark.parametrize("code", ["# ?/?", "[DBNum1]0", "ggge"])
def test_a_format_that_is_not_known_here_is_told(code: str) -> None:
    data = book(rows(HEAD, [cell("A2", 1144445555), cell("B2", 1.5, 1)]), formats=(code,))
    with opened(data) as source:
        assert outcomes(source, "{valor}") == {2: ("message", "1144445555", "1,5")}
        (remark,) = source.remarks
    assert (remark.code, remark.values["format"], remark.values["cells"]) == ("unrendered_format", code, 1)


@given(st.floats(-1e12, 1e12), st.integers(0, 4), st.booleans())
def test_the_quick_way_writes_what_babel_writes(value: float, places: int, grouped: bool) -> None:
    code = ("#,##0" if grouped else "0") + ("." + "0" * places if places else "")
    render = renderer(code)
    assert render is not None
    exact = Decimal(format(abs(value), ".15g")).quantize(Decimal(1).scaleb(-places), "ROUND_HALF_UP")
    written = format_decimal(exact, format=code, locale="es_AR")
    sign = "-" if value < 0 and exact else ""
    assert render(value) == sign + written
