"""Workbooks as people and programs make them: where the list is, what is hidden, which dialect, and bombs."""

from __future__ import annotations

import io
import random
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import UsageError
from dispatcher.ingest import open_source
from tests.unit.ingest.books import STRICT, TRANSITIONAL, book, cell, rows
from tests.unit.ingest.lists import opened, outcomes

HOLA = "Hola {nombre}"
HEAD = [cell("A1", "telefono"), cell("B1", "nombre")]


def people(*names: str, first: int = 2) -> list[list[str]]:
    return [[cell(f"A{n}", 1120000000 + n), cell(f"B{n}", name)] for n, name in enumerate(names, first)]


LIST = rows(HEAD, *people("Ana", "Sol"))
READ = {2: ("message", "1120000002", "Hola Ana"), 3: ("message", "1120000003", "Hola Sol")}


def told(data: bytes, **reading: Any) -> tuple[dict[int, tuple[Any, ...]], dict[str, dict[str, Any]]]:
    """Return the outcomes of a workbook, and its remarks by code."""
    with opened(data, **reading) as source:
        found = outcomes(source, HOLA)
        return found, {remark.code: dict(remark.values) for remark in source.remarks}


def test_the_list_is_found_behind_a_cover_and_hidden_sheets() -> None:
    cover = rows([cell("A1", "LEEME: no tocar")])
    data = book(
        LIST, cover, LIST, LIST, names=("vieja", "LEEME", "Clientes", "Otra"), states=("hidden", *["visible"] * 3)
    )
    found, remarks = told(data)
    assert found == READ
    assert remarks == {"sheet": {"sheet": "Clientes"}, "sheets_not_read": {"sheets": ["vieja", "LEEME", "Otra"]}}


@pytest.mark.parametrize("asked", ["otra", "Otra", "2"])
def test_a_sheet_can_be_chosen(asked: str) -> None:
    other = rows(HEAD, *people("Eva"))
    found, remarks = told(book(LIST, other, names=("Clientes", "Otra")), sheet=asked)
    assert found == {2: ("message", "1120000002", "Hola Eva")}
    assert remarks["sheet"] == {"sheet": "Otra"}


def test_a_sheet_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no sheet 'Marzo'") as caught:
        opened(book(LIST, names=("Clientes",)), sheet="Marzo")
    assert "'Clientes'" in str(caught.value.hint)


@pytest.mark.parametrize("words", ["Clientes de mayo", "Celulares"])
def test_the_headings_are_found_below_a_title(words: str) -> None:
    title = f'<row r="1">{cell("A1", words)}</row>'
    head = rows([cell("A3", "telefono"), cell("B3", "nombre")], *people("Ana", first=4), first=3)
    found, remarks = told(book(title + head))
    assert found == {4: ("message", "1120000004", "Hola Ana")}
    assert remarks == {"header_row": {"line": 3, "above": 1}}


def test_the_row_of_the_headings_can_be_chosen() -> None:
    data = book(
        rows(
            [cell("A1", "telefono"), cell("B1", "viejo")],
            [cell("A2", "telefono"), cell("B2", "nombre")],
            *people("Ana", first=3),
        )
    )
    found, _ = told(data, header_row=2)
    assert found == {3: ("message", "1120000003", "Hola Ana")}


def hidden_book() -> bytes:
    data = rows(HEAD)
    for n in range(2, 6):
        hidden = ' hidden="1"' if n % 2 else ""
        cells = cell(f"A{n}", 1120000000 + n) + cell(f"B{n}", "Ana") + cell(f"C{n}", "x")
        data += f'<row r="{n}"{hidden}>{cells}</row>'
    data = data.replace("</row>", cell("C1", "secreto") + "</row>", 1)
    return book(data, above='<cols><col min="3" max="3" hidden="1"/></cols>')


def test_hidden_rows_and_columns_are_told_and_read() -> None:
    found, remarks = told(hidden_book())
    assert list(found) == [2, 3, 4, 5]
    assert remarks == {"hidden_rows": {"rows": 2}, "hidden_columns": {"columns": ["secreto"]}}


def test_hidden_rows_and_columns_can_be_left_out() -> None:
    found, remarks = told(hidden_book(), visible_only=True)
    assert list(found) == [2, 4]
    assert remarks == {"hidden_rows_left_out": {"rows": 2}, "hidden_columns_left_out": {"columns": ["secreto"]}}
    with opened(hidden_book(), visible_only=True) as source, pytest.raises(UsageError, match="'secreto'"):
        outcomes(source, "{secreto}")


@pytest.mark.parametrize("namespace", [TRANSITIONAL, STRICT])
@pytest.mark.parametrize("prefix", ["", "x"])
@pytest.mark.parametrize("main", ["xl/workbook.xml", "libro.xml", "Daten/Mappe 1.xml"])
def test_names_and_dialects_that_are_legal_are_read(main: str, prefix: str, namespace: str) -> None:
    assert told(book(LIST, main=main, prefix=prefix, namespace=namespace)) == (READ, {})


def test_parts_are_found_whatever_their_case_and_slashes() -> None:
    shuffled = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book(LIST))) as good, zipfile.ZipFile(shuffled, "w") as odd:
        for info in good.infolist():
            odd.writestr(info.filename.upper().replace("/", "\\"), good.read(info))
    assert told(shuffled.getvalue()) == (READ, {})


def test_shared_strings_are_read_without_their_phonetic_reading() -> None:
    words = (
        f'<sst xmlns="{TRANSITIONAL}"><si><t>telefono</t></si><si><r><t>nom</t></r><r><t>bre</t></r></si>'
        "<si><t>An_x0061_</t><rPh><t>x</t></rPh></si></sst>"
    )
    head = [cell("A1", 0, kind="s"), cell("B1", 1, kind="s")]
    data = book(rows(head, [cell("A2", 1120000002), cell("B2", 2, kind="s")]), parts={"xl/words.xml": words})
    assert told(data)[0] == {2: READ[2]}


def test_styled_rows_without_content_are_skipped() -> None:
    blank = "".join(
        f'<row r="{n}" s="1" customFormat="1"><c r="A{n}" s="1"/><c r="XFD{n}"/></row>' for n in range(4, 50_000)
    )
    assert told(book(LIST + blank, formats=("0",)))[0] == READ


def test_a_sheet_of_a_million_styled_blank_rows_takes_seconds_and_little_memory(tmp_path: Path) -> None:
    blank = "".join(f'<row r="{n}" s="1" customFormat="1"><c r="A{n}" s="1"/></row>' for n in range(4, 1_000_000))
    path = tmp_path / "blank.xlsx"
    path.write_bytes(book(LIST + blank, formats=("0",)))
    code = (
        "import re, sys, time\n"
        "from dispatcher.ingest import IngestOptions, ingest, open_source\n"
        "began = time.process_time()\n"
        "with open_source(sys.argv[1]) as source:\n"
        "    rows = sum(batch.messages.height for batch in ingest(source, IngestOptions('Hola {nombre}')))\n"
        # Not ru_maxrss, which begins with that of the process that forked this one.
        "peak = int(re.search('VmHWM:\\\\s+([0-9]+)', open('/proc/self/status').read())[1]) / 1024\n"
        "print(rows, time.process_time() - began, peak)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    messages, seconds, peak = map(float, done.stdout.split())
    assert messages == 2
    assert seconds < 15
    assert peak < 150


def test_a_sheet_as_wide_as_can_be_is_read_by_its_content() -> None:
    wide = rows([*HEAD, cell("XFD1", "saldo")], *people("Ana", "Sol"))
    assert told(book(wide))[0] == READ


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (rows(HEAD) + f'<row r="999999999">{cell("A999999999", 1)}</row>', "row numbered 999,999,999"),
        (
            rows(
                [
                    *HEAD,
                    *(
                        cell(f"{a}{b}{c}1", "x")
                        for a in "ABC"
                        for b in "ABCDEFGHIJKLMNOPQRST"
                        for c in "ABCDEFGHIJKLMNOPQRST"
                    ),
                ]
            ),
            "1,202 columns",
        ),
        (rows(HEAD, [cell("A2", 1120000002), cell("XFE2", "x")]), "beyond the last column"),
        (rows(HEAD, *people("Ana")) + rows(HEAD), "out of order"),
        (rows(HEAD, [cell("A2", 1120000002), cell("B2", "y" * 1_100_000)]), "a cell of more than"),
        ("<row><c", "damaged or unusual"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_no_sheet_has_is_refused(data: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        outcomes(opened(book(data, compression=zipfile.ZIP_STORED)), HOLA)


def test_entities_are_refused() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><worksheet><sheetData/></worksheet>'
    with pytest.raises(UsageError, match="document type or entities"):
        opened(book(LIST, parts={"xl/sheets/page1.xml": bomb}))


def test_a_workbook_that_unpacks_to_more_than_allowed_is_refused() -> None:
    with pytest.raises(UsageError, match="DISPATCHER_UNPACKED_MAX"):
        opened(book(LIST), unpacked_max=500)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("application/vnd.oasis.opendocument.spreadsheet", "OpenDocument"),
        ("application/epub+zip", "not an XLSX workbook"),
    ],
)
def test_other_archives_are_refused_by_name(kind: str, says: str) -> None:
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("mimetype", kind)
    with pytest.raises(UsageError, match=says):
        open_source(saved)


def sheet_of(head: bytes, repeated: bytes, times: int, path: Path, part: str = "xl/sheets/page1.xml") -> None:
    """Write a workbook, one part of which repeats itself."""
    with (
        zipfile.ZipFile(io.BytesIO(book(LIST, parts={"xl/words.xml": "<sst/>"}))) as good,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for info in good.infolist():
            if info.filename != part:
                bomb.writestr(info.filename, good.read(info))
        with bomb.open(part, "w", force_zip64=True) as written:
            written.write(head)
            block = repeated * 10_000
            for _ in range(times // 10_000):
                written.write(block)


def diluted(head: bytes, repeated: bytes, part: str, path: Path) -> None:
    """A part of 300 MB of `repeated`, with so much noise in comments that its ratio is no reason to refuse it."""
    block = repeated * (6000 // len(repeated))
    noise = random.Random(7)
    with zipfile.ZipFile(io.BytesIO(book(LIST, parts={"xl/words.xml": "<sst/>"}))) as good:
        others = {name: good.read(name) for name in good.namelist() if name != part}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, content in others.items():
            bomb.writestr(name, content)
        with bomb.open(part, "w", force_zip64=True) as written:
            written.write(head)
            for _ in range(50_000):
                written.write(block + b"<!--%x-->" % noise.getrandbits(240))
    made = zipfile.ZipFile(path).getinfo(part)
    assert made.file_size < 200 * made.compress_size


_OPEN = b'<worksheet xmlns="' + TRANSITIONAL.encode() + b'"><sheetData><row r="1">'
_BOMBS = {
    "empty columns": (_OPEN, b'<c r="XFD1"/>', 4_000_000, "xl/sheets/page1.xml"),
    "one long cell": (_OPEN + b'<c r="A1" t="inlineStr"><is><t>', b"y" * 30, 5_000_000, "xl/sheets/page1.xml"),
    "shared strings": (b'<sst xmlns="' + TRANSITIONAL.encode() + b'">', b"<si><t/></si>", 10_000_000, "xl/words.xml"),
    "one long tag": (_OPEN + b'<c r="', b"A" * 30, 5_000_000, "xl/sheets/page1.xml"),
}


_SHEET = "xl/sheets/page1.xml"
_START = b'<worksheet xmlns="' + TRANSITIONAL.encode() + b'">'
_CELLS = _START + b"<sheetData>" + LIST.encode()
_WORDS = b'<sst xmlns="' + TRANSITIONAL.encode() + b'">'
_DILUTED = {
    "columns": (_START + b"<cols>", b'<col min="1" max="16384" hidden="1"/>', _SHEET),
    "nested": (_CELLS + b'<row r="4"><c r="A4">', b"<a>", _SHEET),
    "nested values": (_CELLS + b'<row r="4"><c r="A4">', b"<v>", _SHEET),
    "nested cells": (_CELLS + b'<row r="4">', b'<c r="A4">', _SHEET),
    "empty values": (_CELLS + b'<row r="4"><c r="A4">', b"<v/>", _SHEET),
    "formulas": (_CELLS + b'<row r="4"><c r="A4">', b"<f>a</f>", _SHEET),
    "merged cells": (_CELLS + b"</sheetData><mergeCells>", b'<mergeCell ref="A1:XFD1048576"/>', _SHEET),
    "strings' markup": (_WORDS + b"<si>", b"<r/>", "xl/words.xml"),
    "strings nested": (_WORDS, b"<si>", "xl/words.xml"),
}


@pytest.mark.parametrize("bomb", list(_DILUTED))
def test_a_diluted_bomb_is_refused_at_once_and_in_little_memory(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    diluted(*_DILUTED[bomb], path)
    said = refused_cheaply(path)
    assert re.search("nearly all markup|another one inside|again and again", said)


_LISTED = '<sheet name="h{n}" sheetId="{n}" r:id="r1"/>'
_SMALL = {
    "sheets": ("xl/workbook.xml", "<sheets>" + "".join(_LISTED.format(n=n) for n in range(20_000)) + "</sheets>"),
    "names": ("xl/workbook.xml", "<definedNames>" + "<a/>" * 1_500_000 + "</definedNames>"),
    "nested names": ("xl/workbook.xml", "<a>" * 1_500_000),
    "styles": ("xl/looks.xml", "<cellXfs>" + "<xf/>" * 1_500_000 + "</cellXfs>"),
}


@pytest.mark.parametrize("bomb", list(_SMALL))
def test_a_part_that_should_be_small_is_refused_when_it_is_not(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    part, content = _SMALL[bomb]
    root = "workbook" if part.endswith("workbook.xml") else "styleSheet"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    whole = f'<{root} xmlns="{TRANSITIONAL}" xmlns:r="{office}">{content}' + (
        f"</{root}>" if bomb[:4] != "nest" else ""
    )
    path.write_bytes(book(LIST, parts={part: whole}, compression=zipfile.ZIP_STORED))
    said = refused_cheaply(path)
    assert "markup" in said or "too many sheets" in said


def test_markup_that_programs_write_is_read() -> None:
    linked = "".join(f'<hyperlink ref="B{n}" r:id="rId{n}" display="{"x" * 120}"/>' for n in range(2, 30_000))
    many = "".join(f'<row r="{n}"><c r="A{n}"><f>A{n - 1}+1</f><v>112{n:07}</v></c></row>' for n in range(4, 30_000))
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    sheet = (
        f'<worksheet xmlns="{TRANSITIONAL}" xmlns:r="{office}"><sheetData>{LIST}{many}</sheetData>'
        f"<hyperlinks>{linked}</hyperlinks></worksheet>"
    )
    assert len(linked) > 4 << 20
    assert len(told(book(LIST, parts={_SHEET: sheet}))[0]) == 29_998


@pytest.mark.parametrize("bomb", list(_BOMBS))
def test_a_bomb_is_refused_at_once_and_in_little_memory(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    head, repeated, times, part = _BOMBS[bomb]
    sheet_of(head, repeated, times, path, part)
    assert path.stat().st_size < 2_000_000
    assert "unpacks to more than 200 times its size" in refused_cheaply(path)


def refused_cheaply(path: Path) -> str:
    """Why a list was refused, in less than 2 s of this machine and 300 MB."""
    program = (
        "import sys, time\n"
        "from dispatcher.errors import UsageError\n"
        "from dispatcher.ingest import IngestOptions, ingest, open_source\n"
        "began = time.process_time()\n"
        "try:\n"
        "    with open_source(sys.argv[1]) as source:\n"
        "        list(ingest(source, IngestOptions('Hola {nombre}')))\n"
        "except UsageError as error:\n"
        "    status = open('/proc/self/status').read().split()\n"  # ru_maxrss begins with what the parent took
        "    peak = int(status[status.index('VmHWM:') + 1]) >> 10\n"
        "    print(round(time.process_time() - began, 1), peak, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    seconds, megabytes, said = done.stdout.split(" ", 2)
    assert float(seconds) < 2
    assert int(megabytes) < 300
    return said


MERGED = """<mergeCells count="2"><mergeCell ref="B2:B4"/><mergeCell ref="A6:B6"/></mergeCells>"""


def with_merges(sheet: str, merges: str, **parts: Any) -> bytes:
    """Return a workbook of one sheet with the XML of merged cells below its rows."""
    plain = f'<worksheet xmlns="{TRANSITIONAL}"><sheetData>{sheet}</sheetData>{merges}</worksheet>'
    return book(sheet, parts={"xl/sheets/page1.xml": plain}, **parts)


def test_a_value_in_merged_cells_counts_for_every_row_that_they_cover() -> None:
    family = rows(
        HEAD,
        [cell("A2", 1120000002), cell("B2", "Familia Paz")],
        [cell("A3", 1120000003), '<c r="B3" s="0"/>'],
        [cell("A4", 1120000004)],
        [cell("A5", 1120000005)],
        [cell("A6", 1120000006)],
    )
    found, remarks = told(with_merges(family, MERGED))
    assert found == {n: ("message", f"112000000{n}", "Hola Familia Paz") for n in (2, 3, 4)} | dict.fromkeys(
        (5, 6), ("invalid_row", -99, "field_empty")
    )
    assert remarks == {"merged_cells": {"values": 2}}


def test_two_people_with_one_number_in_merged_cells_get_one_message() -> None:
    couple = rows(HEAD, [cell("A2", 1120000002), cell("B2", "Ana")], [cell("B3", "Sol")])
    found, _ = told(with_merges(couple, '<mergeCells><mergeCell ref="A2:A3"/></mergeCells>'))
    assert found == {2: ("message", "1120000002", "Hola Ana"), 3: ("invalid_row", None, "duplicate")}


def test_headings_in_two_rows_are_read_from_the_lower_one() -> None:
    heads = [[cell("A1", "telefono"), cell("B1", "Datos")], [cell("B2", "nombre"), cell("C2", "saldo")]]
    sheet = rows(*heads, [cell("A3", 1120000002), cell("B3", "Ana"), cell("C3", 10)])
    merges = '<mergeCells><mergeCell ref="A1:A2"/><mergeCell ref="B1:C1"/></mergeCells>'
    found, remarks = told(with_merges(sheet, merges))
    assert found == {3: ("message", "1120000002", "Hola Ana")}
    assert remarks["header_row"] == {"line": 2, "above": 1}


def test_many_merged_cells_cost_no_more_than_a_look() -> None:
    merges = "".join(
        f'<mergeCell ref="{chr(65 + n % 26)}{n + 1}:{chr(65 + n % 26)}{1_000_000}"/>' for n in range(20_000)
    )
    sheet = rows(HEAD, *people(*["Ana"] * 20_000))
    began = time.process_time()
    found, _ = told(with_merges(sheet, f"<mergeCells>{merges}</mergeCells>"))
    assert len(found) == 20_000
    assert time.process_time() - began < 10


@pytest.mark.parametrize("value", ["NaN", "INF", "abc"])
def test_a_cell_of_a_number_that_holds_none_costs_its_row_alone(value: str) -> None:
    bad = [cell("A2", 1120000002), f'<c r="B2"><v>{value}</v></c>']
    found, _ = told(book(rows(HEAD, bad, *people("Sol", first=3))))
    assert found == {2: ("invalid_row", None, "formula_error"), 3: READ[3]}


def test_a_style_that_the_workbook_does_not_have_is_a_plain_one() -> None:
    found, _ = told(book(rows(HEAD, [cell("A2", 1120000002, 99), cell("B2", "Ana", 99)])))
    assert found == {2: READ[2]}


@pytest.mark.parametrize("number", ["99", "-1", "x", "1e3", "9" * 5_000])
def test_a_shared_string_that_is_not_there_costs_its_row_alone(number: str) -> None:
    strings = f'<sst xmlns="{TRANSITIONAL}"><si><t>Ana</t></si></sst>'
    lines = [[cell("A2", 1120000002), cell("B2", 0, kind="s")], [cell("A3", 1120000003), cell("B3", number, kind="s")]]
    found, _ = told(book(rows(HEAD, *lines), parts={"xl/words.xml": strings}))
    assert found == {2: READ[2], 3: ("invalid_row", None, "formula_error")}


@pytest.mark.parametrize(
    "sheet",
    [
        rows(HEAD, [cell("A2", 1120000002), cell("B2", 0, kind="s")]),
        rows(HEAD, *people("Ana")).replace('r="2"', 'r="zz"'),
        rows(HEAD, *people("Ana")).replace('<row r="2"', '<row r="2" ht="zz"'),
        rows(HEAD, *people("Ana")).replace("B2", "B9999999999"),
        rows(HEAD, *people("Ana"))[:-20],
    ],
    ids=["no strings", "row", "height", "place", "cut"],
)
def test_a_damaged_workbook_is_told_of_without_the_name_of_an_exception(sheet: str) -> None:
    try:
        told(book(sheet))
        words = ""
    except UsageError as error:
        words = str(error)
    assert not re.search(r"Error|Exception|invalid literal", words)


def test_a_row_without_height_is_hidden() -> None:
    sheet = rows(HEAD, *people("Ana", "Sol")).replace('<row r="2">', '<row r="2" ht="0" customHeight="1">')
    _, remarks = told(book(sheet))
    assert remarks == {"hidden_rows": {"rows": 1}}
    found, _ = told(book(sheet), visible_only=True)
    assert found == {3: READ[3]}


def test_a_number_that_is_shown_with_an_exponent_is_read_whole() -> None:
    sheet = rows(HEAD, [cell("A2", 5491120000002, 1), cell("B2", "Ana")])
    found, _ = told(book(sheet, formats=("0.00E+00",)))
    assert found == {2: READ[2]}


def test_the_day_zero_is_an_empty_cell() -> None:
    sheet = rows(HEAD, [cell("A2", 1120000002), cell("B2", 0, 1)])
    found, _ = told(book(sheet, formats=("dd/mm/yyyy",)))
    assert found == {2: ("invalid_row", -99, "field_empty")}
