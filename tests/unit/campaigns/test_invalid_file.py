"""The file of invalid rows: whatever the list was, its columns come back, and the mended rows are read like the others."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from dispatcher.campaigns import invalid_file
from dispatcher.ingest import IngestOptions, Source, from_recipients, ingest, open_source
from tests.unit.ingest.books import book, cell, rows

TEMPLATE = "Hola {nombre}"


def refused(source: Source, folder: Path, **options: Any) -> Path:
    """Read a list, and write its invalid rows."""
    with source:
        found = pl.concat([batch.invalid_rows for batch in ingest(source, IngestOptions(TEMPLATE, **options))])
        return invalid_file.write_refused(source, found, folder)


def a_list(text: str) -> Source:
    return open_source(io.BytesIO(text.encode()))


def read(path: Path, separator: str = ";") -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), delimiter=separator))


def values(path: Path, separator: str = ";") -> list[list[str]]:
    return [row[:-3] for row in read(path, separator)]


def texts(path: Path, **options: Any) -> dict[str, str]:
    """What the file says when it is loaded: number → text."""
    with open_source(path) as source:
        batches = list(ingest(source, IngestOptions(TEMPLATE, **options)))
    return {number: text for batch in batches for number, text in batch.messages.select("destino", "texto").iter_rows()}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ":", "#"])
def test_a_file_has_the_separator_of_its_list(separator: str, tmp_path: Path) -> None:
    lines = [["telefono", "nombre", "nota"], ["12", "Ana", "a, b; c | d"]]
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(lines)
    path = refused(a_list(text.getvalue()), tmp_path)
    assert values(path, separator) == lines


def test_columns_come_back_in_their_places_also_without_a_heading_or_with_one_heading_twice(tmp_path: Path) -> None:
    path = refused(a_list("telefono;;nombre;nota;nota;\n12;a;Ana;b;c;\n"), tmp_path)
    assert values(path) == [["telefono", "", "nombre", "nota", "nota"], ["12", "a", "Ana", "b", "c"]]


def test_objects_come_back_however_their_keys_are_spelled(tmp_path: Path) -> None:
    objects = [{"telefono": 12, "nombre": "Ana"}, {" TELÉFONO": "13", "Nombre": "Eva", "extra": None}]
    for source in (a_list("\n".join(map(json.dumps, objects))), from_recipients(objects)):
        path = refused(source, tmp_path)
        assert values(path) == [["telefono", "nombre", "extra"], ["12", "Ana", ""], ["13", "Eva", ""]]


def test_the_cells_of_a_workbook_come_back_below_their_headings(tmp_path: Path) -> None:
    sheet = rows(
        [cell("B1", "telefono"), cell("D1", "nombre"), cell("E1", "nota")],
        [cell("A2", "x"), cell("B2", 12), cell("E2", "c; d")],
        [cell("B3", 13), cell("D3", "Eva"), cell("F3", "y")],
    )
    path = refused(open_source(io.BytesIO(book(sheet))), tmp_path)
    found = [["telefono", "nombre", "nota"], ["12", "", "c; d"], ["13", "Eva", ""]]
    assert values(path) == found
    back = openpyxl.load_workbook(path.with_suffix(".xlsx"), read_only=True).worksheets[0]
    assert [[cell or "" for cell in row[:-3]] for row in back.iter_rows(values_only=True)] == found


def test_nothing_that_a_person_opens_is_run_and_all_of_it_is_read_as_it_was(tmp_path: Path) -> None:
    path = refused(a_list("telefono;nombre\n12;-5, +7\n13;=Eva+1\n"), tmp_path)
    assert values(path)[1:] == [["12", "'-5, '+7"], ["13", "'=Eva+1"]]
    mended = path.read_text(encoding="utf-8-sig").replace("12;", "1144445552;").replace("13;", "1144445553;")
    path.write_text(mended, encoding="utf-8")
    assert texts(path, strict_text=True) == {"1144445552": "Hola -5, +7", "1144445553": "Hola =Eva+1"}


def test_what_another_spreadsheet_splits_at_is_in_quotes(tmp_path: Path) -> None:
    path = refused(a_list("telefono;nombre\n12;Paz, Ana\n13;Paz|Eva\n"), tmp_path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(";")[:2] for line in lines[1:]] == [["12", '"Paz, Ana"'], ["13", '"Paz|Eva"']]


def test_no_cell_of_the_workbook_is_run(tmp_path: Path) -> None:
    sheet = rows([cell("A1", "telefono"), cell("B1", "nombre")], [cell("A2", 12), cell("B2", "=1+1")])
    path = refused(open_source(io.BytesIO(book(sheet))), tmp_path).with_suffix(".xlsx")
    back = openpyxl.load_workbook(path).worksheets[0]
    assert (back["B2"].value, back["B2"].data_type) == ("'=1+1", "s")


def test_a_row_whose_letters_were_lost_is_read_once_it_is_mended(tmp_path: Path) -> None:
    path = refused(a_list("telefono;nombre\n1144445551;Garc\ufffda\n"), tmp_path)
    reason = read(path)[1][-3]
    assert "Garc\ufffda" in reason
    path.write_text(path.read_text(encoding="utf-8").replace("1;Garc\ufffda", "1;García"), encoding="utf-8")
    assert reason in path.read_text(encoding="utf-8")
    assert texts(path) == {"1144445551": "Hola Garcia"}


def test_a_duplicate_stays_one_until_it_gets_a_number_of_its_own(tmp_path: Path) -> None:
    path = refused(a_list("telefono;nombre\n1144445551;Ana\n1144445551;Eva\n1144445551;Luz\n"), tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("1144445551;Luz", "1144445552;Luz"), encoding="utf-8")
    assert texts(path) == {"1144445552": "Hola Luz"}


def test_a_file_is_known_as_one_also_when_its_own_headings_are_not(tmp_path: Path) -> None:
    path = refused(a_list("a;nombre\n12;Ana\n"), tmp_path, to_column="a")
    path.write_text(
        "Lista mía\n" + path.read_text(encoding="utf-8-sig").replace("12;", "1144445551;"), encoding="utf-8"
    )
    assert texts(path, to_column="a") == {"1144445551": "Hola Ana"}


def test_a_file_is_replaced_and_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    folder = tmp_path / "invalid"
    folder.mkdir()
    name = refused(a_list("telefono;nombre\n12;Ana\n"), folder).name
    (folder / name).unlink()
    (folder / name).symlink_to(other)
    path = refused(a_list("telefono;nombre\n13;Eva\n"), folder)
    assert (path.name, other.read_text(), path.is_symlink()) == (name, "mine", False)
    assert values(path)[1:] == [["13", "Eva"]]
    assert path.stat().st_mode & 0o077 == 0
