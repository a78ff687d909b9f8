"""Where a delimited list has its headings, and what divides it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dispatcher.errors import UsageError
from dispatcher.ingest import open_source
from tests.unit.ingest.lists import opened, outcomes

HOLA = "Hola {nombre}"
ANA = ("message", "1144445555", "Hola Ana")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ":", "^", "~", "¦", "#", "*"])
def test_a_separator_is_found_by_the_heading_that_it_divides_off(separator: str) -> None:
    text = f"telefono{separator}nombre\n1144445555{separator}Ana\n"
    assert outcomes(text, HOLA) == {2: ANA}


def test_commas_in_the_headings_do_not_mislead() -> None:
    text = "telefono;nombre, apellido, dni;nombre\n1144445555;x;Ana\n"
    assert outcomes(text, HOLA) == {2: ANA}


@pytest.mark.parametrize("line", ["sep=|", '"sep=|"', "SEP=|"])
def test_a_line_that_names_the_separator_is_believed(line: str) -> None:
    assert outcomes(f"{line}\ntelefono|nombre\n1144445555|Ana\n", HOLA) == {3: ANA}


def test_lines_in_quotes_as_a_whole_are_unwrapped() -> None:
    text = '"telefono;nombre;nota"\n"1144445555;Ana;""x"""\n"1144445556;Sol;y"\n'
    assert outcomes(text, "{nombre} {nota}") == {
        2: ("message", "1144445555", "Ana x"),
        3: ("message", "1144445556", "Sol y"),
    }


def test_one_column_with_an_unknown_separator_says_what_was_tried() -> None:
    with opened("telefono%nombre\n1144445555%Ana\n") as source:
        (remark,) = source.remarks
    assert remark.code == "separator"
    assert remark.values["tried"][:4] == [",", ";", "\t", "|"]
    with pytest.raises(UsageError, match=r"no column holds the number.*none of the separators"):
        outcomes("telefono%nombre\n1144445555%Ana\n", HOLA)


def test_a_list_of_one_column_needs_no_remark() -> None:
    with opened("telefono\n1144445555\n") as source:
        assert source.remarks == []


def test_a_title_and_a_blank_row_above_the_headings_are_left_out_and_told() -> None:
    with opened("Clientes de mayo;;\n\ntelefono;nombre;saldo\n1144445555;Ana;1\n") as source:
        assert outcomes(source, HOLA) == {4: ANA}
        (remark,) = source.remarks
    assert (remark.code, dict(remark.values)) == ("header_row", {"line": 3, "above": 1})


@pytest.mark.parametrize("title", ["Celulares", "Celulares;;", ";Teléfonos;", "Celulares;Celulares;Celulares"])
def test_a_lone_title_that_is_called_like_a_number_is_not_the_heading(title: str) -> None:
    with opened(f"{title}\n\ntelefono;nombre;saldo\n1144445555;Ana;1\n") as source:
        assert outcomes(source, HOLA) == {4: ANA}
        (remark,) = source.remarks
    assert (remark.code, dict(remark.values)) == ("header_row", {"line": 3, "above": 1})


@pytest.mark.parametrize("below", ["1144445555\nCelular\n1144445556\n", "1144445555\nCelular;1144445557\n1144445556\n"])
def test_a_lone_heading_stays_one_where_no_other_stands_below(below: str) -> None:
    found = outcomes(f"celulares\n{below}", "Hola")
    assert found[2] == ("message", "1144445555", "Hola")
    assert found[4] == ("message", "1144445556", "Hola")
    assert found[3][0] == "invalid_row"


def test_the_line_of_the_headings_can_be_chosen() -> None:
    text = "telefono;viejo\ntelefono;nombre\n1144445555;Ana\n"
    assert outcomes(opened(text, header_row=2), HOLA) == {3: ANA}
    with pytest.raises(UsageError, match="no headings in line 9"):
        opened(text, header_row=9)


def test_the_column_that_is_asked_for_marks_the_headings() -> None:
    text = "Reporte;x\nnumero;nombre\n1144445555;Ana\n"
    assert outcomes(opened(text, to_column="Número"), HOLA, to_column="Número") == {3: ANA}


def test_a_header_line_that_is_too_long_is_an_error() -> None:
    with pytest.raises(UsageError, match="more than 128 KiB"):
        opened("telefono;" + "x" * 140_000 + "\n1;2\n")


def test_rows_in_which_no_column_holds_anything_are_skipped() -> None:
    text = "telefono;nombre\n" + ';\n"";""\n \u00a0;\u200b\n' * 3 + "1144445555;Ana\n"
    assert outcomes(text, HOLA) == {11: ANA}


def test_a_line_over_a_mebibyte_is_invalid() -> None:
    text = "telefono;nombre\n1144445556;" + "x" * (1 << 20) + "\n1144445555;Ana\n"
    assert outcomes(text, HOLA) == {2: ("invalid_row", None, "row_too_long"), 3: ANA}


def test_trailing_separators_cost_what_their_bytes_cost() -> None:
    def seconds(rows: int) -> float:
        text = f"telefono;nombre{';' * 16_382}\n" + f'1144445555;"Ana"{";" * 16_382}\n' * rows
        began = time.process_time()
        assert len(outcomes(text, HOLA)) == rows
        return time.process_time() - began

    seconds(1)
    assert seconds(100) < 5


def test_more_columns_than_a_list_has_are_refused() -> None:
    with pytest.raises(UsageError, match="1,200 columns"):
        opened(";".join(["telefono", *(f"c{n}" for n in range(1_199))]) + "\n")


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/null")):
        with pytest.raises(UsageError, match="not a regular file") as caught:
            open_source(path)
        assert caught.value.hint


@pytest.mark.parametrize("option", [{"sheet": "1"}, {"header_row": 2}])
def test_what_json_lines_do_not_have_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="JSONL"):
        opened('{"telefono": 1}\n', **option)


def test_a_list_without_headings_is_refused_and_none_of_its_values_is_repeated() -> None:
    with pytest.raises(UsageError, match="no headings") as caught:
        outcomes("1144445555;Ana\n1144446666;Sol\n", HOLA)
    assert "Ana" not in str(caught.value)
    assert "1144445555" not in str(caught.value)


def test_the_column_that_holds_numbers_is_named_when_its_heading_says_something_else() -> None:
    with pytest.raises(UsageError, match="no column holds the number") as caught:
        outcomes("dni;numero;nombre\n30111222;1144445555;Ana\n30111223;11 4444-5556;Sol\n", HOLA)
    assert "--to-column 'numero'" in str(caught.value.hint)


def test_headings_that_are_repeated_on_every_page_are_called_so() -> None:
    text = "telefono;nombre\n1144445555;Ana\ntelefono;nombre\n1144446666;Sol\n"
    assert outcomes(text, HOLA) == {
        2: ANA,
        3: ("invalid_row", None, "headings_again"),
        4: ("message", "1144446666", "Hola Sol"),
    }


def test_values_in_single_quotes_are_read_without_them() -> None:
    text = "'telefono';'nombre'\n'1144445555';'Ana'\n'1144446666';'D''Angelo; Sol'\n1144447777;L'abbate\n"
    assert outcomes(text, HOLA) == {
        2: ANA,
        3: ("message", "1144446666", "Hola DAngelo; Sol"),
        4: ("message", "1144447777", "Hola Labbate"),
    }


def test_a_label_before_a_number_is_no_heading() -> None:
    with pytest.raises(UsageError, match="no headings"):
        outcomes("1144446666\ntel: 1144445555\n", HOLA)
