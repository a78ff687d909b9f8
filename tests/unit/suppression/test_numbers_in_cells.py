"""Every number of a cell of an opt-out list counts; what is none is named."""

from __future__ import annotations

import pytest

from dispatcher.suppression.numbers_in_cells import numbers_in

A, B = "1120000001", "1120000002"


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        (A, [A]),
        (f"{A} / {B}", [A, B]),
        (f"{A}, {B}", [A, B]),
        (f"{A} {B}", [A, B]),
        (f"{A}\n{B}", [A, B]),
        ("Cel 11-2000-0001 Tel 11-2000-0002", [A, B]),
        (f"{A} # Ana", [A]),
        (f"'{A}", [A]),
        (f"{A};", [A]),
        (f"NO LLAMAR {A} (pidió baja)", [A]),
        ("11 2000 0001 hasta las 18", [A]),
        (f"{A} y {A}", [A]),
        ("+54 9 11 2000-0001 - mamá: 11 2000 0002", [A, B]),
    ],
)
def test_all_numbers_of_a_cell_are_read_whatever_stands_beside_them(cell: str, numbers: list[str]) -> None:
    assert numbers_in(cell, "AR") == (numbers, None)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "number_empty"),
        ("NULL", "number_empty"),
        ("#N/D", "formula_error"),
        ("5,49112E+12", "number_cut"),
        ("DNI 30123456", "number_characters"),
        ("hola", "number_characters"),
        ("15 2000-0001", "number_local"),
    ],
)
def test_a_cell_without_a_number_says_why(cell: str, reason: str) -> None:
    numbers, problem = numbers_in(cell, "AR")
    assert not numbers
    assert problem is not None
    assert problem.reason == reason


def test_a_bad_number_beside_a_good_one_is_named_and_the_good_one_counts() -> None:
    numbers, problem = numbers_in(f"{A} / 4444-5555", "AR")
    assert numbers == [A]
    assert problem is not None


def test_local_numbers_belong_to_the_area_that_was_named() -> None:
    assert numbers_in("15 2000-0001", "AR", "11") == ([A], None)
