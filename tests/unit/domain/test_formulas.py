"""Cells that a spreadsheet would run: harmless in every file, and back again as they were."""

from __future__ import annotations

import itertools

import polars as pl
import pytest

from dispatcher.domain.formulas import UNGUARDED, harmless, harmless_in_csv


@pytest.mark.parametrize(
    "cell", ["=1+1", "+54 9", "-5", "@a", " =1", "\u200b=1", "\uff1d1", "\u22121", '"=1', "\tx", "\rx"]
)
def test_what_begins_like_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert harmless(cell) == harmless_in_csv(cell) == f"'{cell}"


BEGINNINGS = [
    *("", " ", '"', "\xa0", "\x1f", "\x85", "\u061c", "\u200b", "\u202e", "\u3000", "\ufe0f", "\ufff9"),
    *("\ufeff", "\U000e0020", "\U000e0100"),
]


@pytest.mark.parametrize("separator", ["", ",", ";", "|", "\t", "\n", "\r", "\v", "\f"])
def test_no_character_that_is_skipped_hides_a_formula_behind_any_separator(separator: str) -> None:
    for first, second, start in itertools.product(
        BEGINNINGS, BEGINNINGS, "=+-@\uff1d\uff0b\uff0d\uff20\u2212\ufe62\ufe63"
    ):
        cell = f"{'hola' if separator else ''}{separator}{first}{second}{start}1+1"
        guarded = harmless_in_csv(cell)
        last = guarded.rpartition(separator)[2] if separator else guarded
        assert last.lstrip("".join(BEGINNINGS)).startswith("'"), ascii(cell)


@pytest.mark.parametrize(
    "cell", ["", "Ana", "1-2", "a=b", "'=1", "5 = 5", "11 4444-5555", "Av. Mitre 5, depto. 2; timbre"]
)
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert harmless(cell) == harmless_in_csv(cell) == cell


@pytest.mark.parametrize(
    ("cell", "guarded"),
    [
        ("a;=1", "a;'=1"),
        ("a, -1,=2", "a, '-1,'=2"),
        ("a|\u200b+1", "a|\u200b'+1"),
        ("a\n@b", "a\n'@b"),
        ("a; ;=1", "a; ;'=1"),
        ("a  =1", "a  =1"),
    ],
)
def test_in_a_csv_a_cell_may_begin_where_another_spreadsheet_splits(cell: str, guarded: str) -> None:
    assert harmless_in_csv(cell) == guarded
    assert harmless(cell) == cell


@pytest.mark.parametrize(
    "cell", ["=1+1", "-5", " =1", "a;=1", "a, -1,=2", "=a;-b", "\uff0b54", "O'Higgins", "'n", "Ana"]
)
def test_what_was_guarded_is_read_as_it_was(cell: str) -> None:
    read = pl.Series([harmless_in_csv(cell)])
    for pattern, replacement in UNGUARDED:
        read = read.str.replace_all(pattern, replacement)
    assert read.to_list() == [cell]
