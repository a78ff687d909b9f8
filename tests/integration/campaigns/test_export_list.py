"""Results with the columns of the list that the messages came from."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from dispatcher.campaigns import appending, export, export_list, list_results, loading
from dispatcher.campaigns.export import Only
from dispatcher.errors import UsageError
from dispatcher.ingest import open_source
from schemas.payload import CampaignSpec
from tests.integration.core_harness import CoreHarness

ROWS = (
    "telefono;nombre;status;zona;id;=cmd\n"
    "1144445555;Ana;vip;  Norte ;;1\n"
    "12;Corto;;;;\n"
    '1144446666;Eva;;"Sur; Oeste";=3;=2\n'
    "1144447777;Bea;;Mu?oz\n"
)
_ALL = Only()
MORE = "zona;telefono\n;12\n;13\n;14\nCentro;1144448888\n"


def load(core: CoreHarness, path: Path, **spec: Any) -> int:
    """A campaign of a file, or a list appended to one."""
    whole = CampaignSpec(**{"template": "Hola", "again": True, **spec})
    with (
        open_source(path, reading=loading.reading_of(whole, core.settings)) as source,
        core.engine.begin() as connection,
    ):
        put = appending.append if whole.append_to else loading.load
        return put(connection, core.settings, whole, source).campaign_id


@pytest.fixture
def made(core: CoreHarness, tmp_path: Path) -> int:
    """A campaign of ROWS, to which MORE was appended."""
    assert core.account
    (tmp_path / "list.csv").write_text(ROWS)
    (tmp_path / "more.csv").write_text(MORE)
    campaign = load(core, tmp_path / "list.csv")
    load(core, tmp_path / "more.csv", append_to=campaign)
    return campaign


def rows(core: CoreHarness, campaign: int, path: Path, only: Only = _ALL) -> list[dict[str, Any]]:
    export.write_results(core.engine, campaign, "jsonl", path, only=only, force=True, with_list=core.settings)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_result_has_the_columns_of_its_own_row(core: CoreHarness, made: int, tmp_path: Path) -> None:
    found = rows(core, made, tmp_path / "out")
    assert [(row["destino"], row["telefono"], row["nombre"], row["zona"]) for row in found] == [
        ("1144445555", "1144445555", "Ana", "  Norte "),
        ("1144446666", "1144446666", "Eva", "Sur; Oeste"),
        ("1144447777", "1144447777", "Bea", "Mu?oz"),
        ("1144448888", "1144448888", None, "Centro"),
    ]
    assert list(found[0])[:12] == list(export.COLUMNS)
    assert (found[0]["status"], found[0]["status (2)"]) == ("pending", "vip")
    assert [row["seq"] for row in rows(core, made, tmp_path / "out", Only(seq=2))] == [2]


def test_what_the_list_says_is_no_formula_in_a_spreadsheet(core: CoreHarness, made: int, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    export.write_results(core.engine, made, "csv", path, with_list=core.settings)
    head, first, second, *_ = csv.reader(io.StringIO(path.read_text("utf-8-sig")), delimiter=";")
    assert head[-6:] == ["telefono", "nombre", "status (2)", "zona", "id", "'=cmd"]
    assert (first[-1], second[-3:]) == ("1", ["Sur; Oeste", "'=3", "'=2"])
    book = tmp_path / "out.xlsx"
    export.write_results(core.engine, made, "xlsx", book, with_list=core.settings)
    sheet = openpyxl.load_workbook(book).active
    assert sheet is not None
    assert [cell.value for cell in sheet[1]][-3:] == ["zona", "id", "'=cmd"]
    assert [cell.value for cell in sheet[3]][-3:] == ["Sur; Oeste", "'=3", "'=2"]


def test_a_list_that_is_not_kept_is_said(core: CoreHarness, made: int, tmp_path: Path) -> None:
    core.do("UPDATE campaign_list SET upload_id = NULL")
    with pytest.raises(UsageError, match="not kept any longer") as refused:
        rows(core, made, tmp_path / "out")
    assert "--with-list" in (refused.value.hint or "")
    assert not (tmp_path / "out").exists()


def test_a_short_row_that_became_a_message_is_in_the_list_with_results(core: CoreHarness, tmp_path: Path) -> None:
    assert core.account
    (tmp_path / "list.csv").write_text("telefono;nombre;nota\n1144445555;Ana;x\n1144446666;Eva\n")
    campaign = load(core, tmp_path / "list.csv", template="Hola {nombre}")
    path = tmp_path / "back.csv"
    assert list_results.write(core.engine, core.settings, campaign, "csv", path) == 2
    assert "1144446666;Eva;;" in path.read_text("utf-8-sig")
    assert list_results.row_at(core.engine, core.settings, campaign, 3)[1] == ("nombre", "Eva")


def test_headings_are_told_apart() -> None:
    long = "ñ" * 60
    found = export_list.headings(["a", "", "a", "seq", long + "1", long + "2"], {"seq"})
    assert len(set(found.values())) == len(found) == 5
    assert found["seq"] == "seq (2)"
    assert all(0 < len(name.encode()) <= 63 for name in found.values())


def test_several_lists_stand_under_each_other_each_cell_under_its_heading(core: CoreHarness, tmp_path: Path) -> None:
    assert core.account
    (tmp_path / "list.csv").write_text("telefono;nombre;zona\n1144445555;Ana;Norte\n12;Corto;Sur\n1144446666;Eva;Sur\n")
    campaign = load(core, tmp_path / "list.csv", template="Hola {nombre}")
    (tmp_path / "more.csv").write_text("nombre;celular;edad\nBea;1144447777;30\nLeo;1;40\n")
    load(core, tmp_path / "more.csv", append_to=campaign, template="Hola {nombre}")
    path = tmp_path / "back.csv"
    assert list_results.write(core.engine, core.settings, campaign, "csv", path) == 5
    head, *told = csv.reader(io.StringIO(path.read_text("utf-8-sig")), delimiter=";")
    assert head[:5] == ["telefono", "nombre", "zona", "celular", "edad"]
    assert [row[:6] for row in told] == [
        ["1144445555", "Ana", "Norte", "", "", "waiting to be sent"],
        ["12", "Corto", "Sur", "", "", "invalid row"],
        ["1144446666", "Eva", "Sur", "", "", "waiting to be sent"],
        ["", "Bea", "", "1144447777", "30", "waiting to be sent"],
        ["", "Leo", "", "1", "40", "invalid row"],
    ]
    assert ("edad", "30") in list_results.row_at(core.engine, core.settings, campaign, 2, seq=3)
    assert ("zona", "Norte") in list_results.row_at(core.engine, core.settings, campaign, 2, seq=1)
    core.do("UPDATE campaign_list SET upload_id = NULL WHERE list_no = 2")
    with pytest.raises(UsageError, match="not kept any longer"):
        list_results.write(core.engine, core.settings, campaign, "csv", path)
