"""Exports of results: a part of the messages, times that people read, sheets that people use."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from dispatcher.campaigns import export
from dispatcher.campaigns.export import Only
from tests.integration.core_harness import CoreHarness


@pytest.fixture
def settled(core: CoreHarness) -> int:
    """Four messages: OK, -10, -7, and one that still waits for its result."""
    campaign = core.load(4)
    core.send()
    words = ("OK", "Destinatario rechazado por la telefónica", "El número debe tener 10 dígitos")
    core.settle(*((core.reference(campaign, seq), word) for seq, word in enumerate(words, start=1)))
    return campaign


def seqs(core: CoreHarness, campaign: int, path: Path, only: Only) -> list[int]:
    rows = export.write_results(core.engine, campaign, "jsonl", path, only=only, force=True)
    found = [json.loads(line)["seq"] for line in path.read_text().splitlines()]
    assert rows == len(found)
    return found


def test_a_part_of_the_results_is_exported(core: CoreHarness, settled: int, tmp_path: Path) -> None:
    path = tmp_path / "part"
    assert seqs(core, settled, path, Only()) == [1, 2, 3, 4]
    assert seqs(core, settled, path, Only(statuses=("ok",))) == [1]
    assert seqs(core, settled, path, Only(statuses=("rejected", "submitted"))) == [2, 3, 4]
    assert seqs(core, settled, path, Only(codes=(-10,))) == [2]
    assert seqs(core, settled, path, Only(statuses=("ok",), codes=(-10, -7))) == []


def test_since_is_about_results(core: CoreHarness, settled: int, tmp_path: Path) -> None:
    path, now = tmp_path / "part", datetime.now(UTC)
    assert seqs(core, settled, path, Only(since=now - timedelta(days=2))) == [1, 2, 3]
    assert seqs(core, settled, path, Only(since=now + timedelta(days=2))) == []


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_times_are_argentine_whatever_the_servers_zone(
    core: CoreHarness, settled: int, tmp_path: Path, kind: str
) -> None:
    with core.engine.begin() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        connection.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET timezone = 'Asia/Tokyo'")
    core.engine.dispose()
    path = tmp_path / "out"
    export.write_results(core.engine, settled, kind, path)
    text = path.read_text("utf-8-sig")
    if kind == "csv":
        moment = next(csv.DictReader(io.StringIO(text), delimiter=";"))["submitted_at"]
    else:
        moment = json.loads(text.splitlines()[0])["submitted_at"]
    assert moment[19:].lstrip(".0123456789") in ("-03", "-03:00"), moment


def test_a_workbook_is_ready_to_work_with(core: CoreHarness, settled: int, tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    export.write_results(core.engine, settled, "xlsx", path)
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:L1048576"
    assert sheet.column_dimensions["E"].width == 60
    assert sheet.max_row == 5
