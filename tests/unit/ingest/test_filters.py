"""What a template does to a value: money, dates, names, length and defaults."""

from __future__ import annotations

import polars as pl
import pytest

from dispatcher.errors import UsageError
from dispatcher.ingest import filters, from_recipients
from tests.unit.ingest.lists import batches, outcomes
from tests.unit.ingest.test_values import Make, every_format


def one(template: str, **values: str) -> tuple[object, ...]:
    """Where a row with these values ends."""
    (end,) = outcomes(from_recipients([{"telefono": "1144445555", **values}]), template).values()
    return end


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("1234.5", "$ 1.234,50"),
        ("1.234,50", "$ 1.234,50"),
        ("1,234.50", "$ 1.234,50"),
        ("$ 1234", "$ 1.234,00"),
        ("$1.234", "$ 1.234,00"),
        ("1500", "$ 1.500,00"),
        ("12.345.678", "$ 12.345.678,00"),
        ("1,234,567.891", "$ 1.234.567,89"),
        ("0,995", "$ 1,00"),
        ("0", "$ 0,00"),
        ("-10", "-$ 10,00"),
        ("ARS 1.234,5", "$ 1.234,50"),
        ("  7 ", "$ 7,00"),
        ("999999999999999.99", "$ 999.999.999.999.999,99"),
        ("$1.500.-", "$ 1.500,00"),
        ("1500.-", "$ 1.500,00"),
        ("-1500.-", "-$ 1.500,00"),
        ("(50,00)", "-$ 50,00"),
        ("$ (1.234,5)", None),
        ("1 234,50", "$ 1.234,50"),
        ("1 234 567", "$ 1.234.567,00"),
        ("12 34", None),
        ("Pesos 500", "$ 500,00"),
        ("1,234", None),
        ("U$S 10", None),
        ("1e5", None),
        ("1.23.4", None),
        ("9999999999999999", None),
        ("gratis", None),
        ("1-5", None),
    ],
)
def test_an_amount_is_written_in_one_way_or_not_read_at_all(cell: str, shown: str | None) -> None:
    assert filters.money(pl.Series([cell])).to_list() == [shown]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("2026-12-31", "31/12/2026"),
        ("31/12/2026 10:30", "31/12/2026"),
        ("1/2/26", "01/02/2026"),
        ("31.12.2026", "31/12/2026"),
        ("20261231", "31/12/2026"),
        ("2026-12-01T02:00:00Z", "30/11/2026"),
        ("31 dic 2026", "31/12/2026"),
        ("31-DIC-26", "31/12/2026"),
        ("1° de mayo de 2026", None),
        ("31 de diciembre de 2026", "31/12/2026"),
        ("5 de setiembre del 2026", "05/09/2026"),
        ("viernes 31/12/2026", "31/12/2026"),
        ("mié. 2 de dic. de 2026", "02/12/2026"),
        ("Dec 31, 2026", "31/12/2026"),
        ("31 de febrero de 2026", None),
        ("31 dicho 2026", None),
        ("dic-26", None),
        ("12/31/2026", None),
        ("46357", None),
        ("mañana", None),
    ],
)
def test_a_day_is_written_in_one_way_or_not_read_at_all(cell: str, shown: str | None) -> None:
    assert filters.date(pl.Series([cell])).to_list() == [shown]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("JUAN PÉREZ", "Juan Pérez"),
        ("maria de la cruz", "Maria de la Cruz"),
        ("Juan McDonald", "Juan McDonald"),
        ("EMPRESA SA", "Empresa SA"),
        ("PÉREZ HNOS. SRL", "Pérez Hnos. SRL"),
        ("JUAN PABLO II", "Juan Pablo II"),
        ("3ER PISO", "3er Piso"),
    ],
)
def test_a_name_in_one_case_gets_its_capitals(cell: str, shown: str) -> None:
    assert filters.title(pl.Series([cell])).to_list() == [shown]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("Juan Carlos Perez Garcia", "Juan Carlos"),
        ("Supercalifragilistico Juan", "Supercalifra"),
        ("Ana", "Ana"),
        ("Juan Carlos P", "Juan Carlos"),
        ("Juan Carlos ", "Juan Carlos"),
    ],
)
def test_a_long_value_is_cut_at_a_word(cell: str, shown: str) -> None:
    assert filters.cut(pl.Series([cell]), 12).to_list() == [shown]


def test_filters_combine_and_a_default_stands_for_what_is_empty() -> None:
    assert one("Hola {nombre:title:8|cliente}", nombre="JUAN CARLOS")[2] == "Hola Juan"
    assert one("Hola {nombre:title|cliente}", nombre=" ")[2] == "Hola cliente"
    assert one("Hola {nombre|cliente}", nombre="NULL")[2] == "Hola cliente"
    assert one("Hola{nombre|}.", nombre="")[2] == "Hola."
    assert one("{nombre|cliente} {nombre}", nombre="") == ("invalid_row", -99, "field_empty")
    assert one("Hola {nombre|cliente}", nombre="#N/D") == ("invalid_row", None, "formula_error")


def test_what_a_filter_cannot_read_is_an_invalid_row() -> None:
    assert one("Debe {saldo:money}", saldo="1,234") == ("invalid_row", -99, "value_no_amount")
    assert one("Vence {dia:date}", dia="pronto") == ("invalid_row", -99, "value_no_date")
    (batch,) = batches(from_recipients([{"telefono": "1144445555", "saldo": "gratis"}]), "Debe {saldo:money}")
    assert batch.invalid_rows["detail"][0].startswith("column 'saldo': 'gratis' cannot be read")


def test_a_sign_before_money_is_not_doubled() -> None:
    assert one("Debe ${saldo:money}", saldo="1234.5")[2] == "Debe $1.234,50"
    assert one("Debe {saldo:money}", saldo="1234.5")[2] == "Debe $ 1.234,50"


def test_a_sign_before_a_value_that_has_one_is_remarked() -> None:
    people = [{"telefono": f"114444555{n}", "saldo": value} for n, value in enumerate(["$ 10", "$20", "30"])]
    (batch,) = batches(from_recipients(people), "Debe ${saldo}")
    assert [(remark.code, n) for remark, n in batch.remarks.items()] == [("two_signs", 2)]


@every_format
def test_good_and_bad_values_stay_in_the_order_of_the_list(make: Make) -> None:
    values = ["", "1", "x", "2", "", "3"]
    people = [{"telefono": f"114444555{n}", "saldo": value} for n, value in enumerate(values)]
    found = sorted(outcomes(make(people), "{saldo:money|nada}").items())
    assert [end[-1] for _, end in found] == ["nada", "$ 1,00", "value_no_amount", "$ 2,00", "nada", "$ 3,00"]


@pytest.mark.parametrize("placeholder", ["nombre:plata", "nombre:0", "nombre:161", "nombre:title:x", "nombre:"])
def test_a_filter_that_there_is_not_is_refused_with_those_there_are(placeholder: str) -> None:
    with pytest.raises(UsageError, match="filter") as caught:
        one(f"Hola {{{placeholder}}}", nombre="Ana")
    assert "money, date, title" in str(caught.value.hint)


def test_a_heading_with_a_colon_or_a_bar_is_a_heading() -> None:
    assert one("{a:b} {a|b}", **{"a:b": "1", "a|b": "2"})[2] == "1 2"


@every_format
def test_dates_with_the_month_first_are_told_as_the_others_may_be_misread(make: Make) -> None:
    rows = [{"telefono": f"114444555{n}", "vence": day} for n, day in enumerate(["05/06/2026", "12/31/2026", "1/2/26"])]
    found = batches(make(rows), "{vence:date}")
    assert pl.concat([batch.messages for batch in found])["texto"].to_list() == ["05/06/2026", "01/02/2026"]
    assert {(remark.code, n) for batch in found for remark, n in batch.remarks.items()} == {("month_first", 1)}
