"""Exports at the command line: parts, separators, and cells that no spreadsheet runs."""

import csv
import io
import json
from pathlib import Path

import openpyxl
import pytest

from tests.integration.cli.commands import TEMPLATE, Run, answer
from tests.integration.core_harness import VIEW_COLUMNS, CoreHarness


def test_the_audit_is_exported(run: Run, good: str, core: CoreHarness, tmp_path: Path) -> None:
    campaign = answer(run("campaign", "create", good, *TEMPLATE, "--json"))["campaign_id"]
    path = tmp_path / "audit.csv"
    assert answer(run("campaign", "audit", str(campaign), "--output", str(path), "--json"))["balanced"]
    head, *rows = csv.reader(io.StringIO(path.read_text("utf-8-sig")), delimiter=";")
    assert head == ["campaign_id", "section", "item", "value"]
    assert [str(campaign), "sum", "rows", "3"] in rows
    assert [str(campaign), "sum", "invalid", "1"] in rows
    assert [str(campaign), "status", "pending", "2"] in rows


def test_results_may_be_a_part(run: Run, good: str, tmp_path: Path) -> None:
    campaign = str(answer(run("campaign", "create", good, *TEMPLATE, "--json"))["campaign_id"])
    path = str(tmp_path / "part.csv")

    def rows(*only: str) -> int:
        rows = answer(run("campaign", "results", campaign, *only, "-o", path, "--force", "--json"))["rows"]
        assert isinstance(rows, int)
        return rows

    assert rows("--status", "pending") == 2
    assert rows("--status", "ok", "--status", "rejected") == 0
    assert rows("--code", "-10") == 0
    assert rows("--since", "2026-01-01 09:00") == 0
    assert "since" in answer(run("campaign", "results", campaign, "--since", "ayer", "--json"), code=2)["error"]


@pytest.fixture
def dangerous(core: CoreHarness) -> int:
    """A campaign whose ids and results a spreadsheet would run."""
    campaign = core.load(
        recipients=[
            {"telefono": "1144445555", "n": "Ana", "id": '=HYPERLINK("http://x";"y")'},
            {"telefono": "1144446666", "n": "Eva", "id": "+1+cmd|' /C calc'!A0"},
            {"telefono": "1144447777", "n": "Sol", "id": "-2+3"},
            {"telefono": "1144448888", "n": "Luz", "id": "@SUM(A1)"},
            {"telefono": "1144449999", "n": "Paz", "id": 'fine, "really"'},
        ],
        template="=1+1 {n}",
        id_column="id",
    )
    core.send()
    core.settle((core.reference(campaign, 1), "=2+2"), (core.reference(campaign, 2), "OK"))
    return campaign


@pytest.mark.parametrize(("setting", "separator"), [(";", ";"), (",", ","), ("tab", "\t"), ("|", "|")])
def test_every_csv_export_has_the_separator_of_the_setting(
    run: Run, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, separator: str
) -> None:
    monkeypatch.setenv("DISPATCHER_CSV_SEPARATOR", setting)
    jsonl = tmp_path / "lista.jsonl"
    jsonl.write_text('{"telefono": "1144445555", "nombre": "Ana"}\n{"telefono": "11", "nombre": "Sol"}\n')
    made = answer(run("campaign", "create", str(jsonl), "--template", "Hola {nombre}", "--json"))
    campaign, path = str(made["campaign_id"]), str(tmp_path / "out.csv")
    assert answer(run("campaign", "results", campaign, "-o", path, "--json"))["rows"] == 1
    heads = {"results": Path(path).read_bytes()}
    run("inbox", "export", "-o", path, "--force")
    heads["replies"] = Path(path).read_bytes()
    run("campaign", "audit", campaign, "-o", path, "--force")
    heads["audit"] = Path(path).read_bytes()
    heads["invalid"] = Path(made["invalid_file"]).read_bytes()
    for name, data in heads.items():
        assert data.startswith(b"\xef\xbb\xbf"), name
        head = data.decode("utf-8-sig").splitlines()[0]
        assert head.count(separator) == {"results": 11, "replies": 9, "audit": 3, "invalid": 4}[name], name


def test_csv_results_are_defused(run: Run, dangerous: int, tmp_path: Path) -> None:
    for target in (None, tmp_path / "out.csv"):
        result = run("campaign", "results", str(dangerous), *(["--output", str(target)] if target else []))
        assert result.exit_code == 0
        text = target.read_text(encoding="utf-8-sig") if target else result.stdout
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))
        assert list(rows[0]) == VIEW_COLUMNS
        assert len(rows) == 5
        for row in rows:
            for column in ("external_id", "texto", "result_text"):
                assert not row[column].startswith(("=", "+", "-", "@")), row[column]
        assert rows[0]["external_id"] == '\'=HYPERLINK("http://x";"y")'
        assert rows[4]["external_id"] == 'fine, "really"'
        assert rows[0]["result_code"] == "-99"


def test_xlsx_results_are_defused(run: Run, dangerous: int, tmp_path: Path) -> None:
    target = tmp_path / "out.xlsx"
    told = answer(run("campaign", "results", str(dangerous), "--format", "xlsx", "--output", str(target), "--json"))
    assert (told["rows"], told["file"]) == (5, str(target))
    book = openpyxl.load_workbook(target)
    rows = list(book.active.iter_rows())
    assert [cell.value for cell in rows[0]] == VIEW_COLUMNS
    assert len(rows) == 6
    assert {cell.data_type for row in rows for cell in row} & {"f", "e"} == set()
    assert rows[1][2].value == '\'=HYPERLINK("http://x";"y")'
    assert rows[1][3].value == "1144445555"


def test_jsonl_results_are_raw_and_have_the_columns_of_the_view(run: Run, dangerous: int, core: CoreHarness) -> None:
    result = run("campaign", "results", str(dangerous), "--format", "jsonl")
    assert result.exit_code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [list(row) for row in rows] == [VIEW_COLUMNS] * 5
    assert rows[0]["external_id"] == '=HYPERLINK("http://x";"y")'
    assert rows[0]["texto"] == "=1+1 Ana"
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[1]["status"] == core.message(dangerous, 2).status == "ok"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_results_that_cannot_be_written_exit_with_a_sentence(run: Run, dangerous: int, kind: str) -> None:
    result = run("campaign", "results", str(dangerous), "--format", kind, "--output", "/nowhere/out", "--json")
    assert result.exit_code in (1, 2)
    assert answer(result, result.exit_code)["error"]


def test_xlsx_and_json_want_a_file(run: Run, dangerous: int) -> None:
    assert answer(run("campaign", "results", str(dangerous), "--json"), code=2)["error"]
    assert run("campaign", "results", str(dangerous), "--format", "xlsx").exit_code == 2
