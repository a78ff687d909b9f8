"""What strangers write: stored as it came, shown without what a terminal obeys or a spreadsheet runs."""

import csv
import io
import json
import os
import re
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import insert

from dispatcher.domain.display import BIDI, in_json, shown
from dispatcher.replies.store import ReplyStore
from schemas import tables
from tests.integration.cli.commands import Run, answer
from tests.integration.core_harness import CoreHarness

WORDS = "\x1b[2J\x1b]0;dueño\x07 \x9b31m \u202eexe.gpj\u2066 \x7f\x85\u2028 fin"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029" + BIDI + "]")
FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\v=1", " =1+1", "\u00a0=1+1", "\u200b=1+1", "\ufeff=1",
    "＝1+1", "＠SUM(A1)", "＋1", "－1", "\u2212" + "1", '"=1+1"', "\u3000=1", "\u2060\u00ad=1",
]  # fmt: skip
INSIDE = ["hola;=1+1", "hola; \u200b=1+1", 'hola;"=1+1"', "hola\n=1+1", "hola|+1", "hola\t@SUM(A1)", "hola;＝1+1"]


@pytest.fixture
def replies(core: CoreHarness) -> list[str]:
    """Replies with everything that a terminal or a spreadsheet could take for orders."""
    texts = [WORDS, *FORMULAS, *INSIDE]
    assert core.account
    store = ReplyStore(core.runtime, core.account.id)
    for at, text in enumerate(texts):
        store.pushed(f"11444455{at:02}", text, None)
    return texts


def test_a_reply_s_orders_to_a_terminal_are_shown_and_not_obeyed(run: Run, replies: list[str]) -> None:
    result = run("inbox", "list")
    assert result.exit_code == 0
    assert not CONTROLS.search(result.stdout)
    told = run("inbox", "list", "--json")
    assert not CONTROLS.search(told.stdout)
    assert {each["texto"] for each in json.loads(told.stdout)["replies"]} == set(replies)


def test_names_and_reasons_are_shown_without_orders(run: Run, core: CoreHarness) -> None:
    with core.runtime.engine.begin() as connection:
        connection.execute(insert(tables.optout).values(destino="1144445555", source="operator", reason=WORDS))
    campaign = core.load(2, name=f"{WORDS}\nstate: completed")
    answer(run("campaign", "pause", str(campaign), "--json"))
    for arguments in (("campaign", "show", str(campaign)), ("campaign", "list"), ("optout", "list")):
        result = run(*arguments)
        assert result.exit_code == 0, result.stderr
        assert "\\x1b[2J" in result.stdout.replace("\n", ""), arguments
        assert not CONTROLS.search(result.stdout), arguments
        assert not any(line.startswith("state:") for line in result.stdout.splitlines()), arguments
    assert not CONTROLS.search(run("campaign", "create", f"/nowhere/{WORDS}", "--template", "x").stderr)


def test_every_export_of_replies_can_be_opened(run: Run, replies: list[str], tmp_path: Path) -> None:
    sheet = tmp_path / "inbox.xlsx"
    assert run("inbox", "export", "--format", "xlsx", "--output", str(sheet)).exit_code == 0
    rows = list(openpyxl.load_workbook(sheet).active.iter_rows(values_only=True))
    assert len(rows) == len(replies) + 1
    assert rows[1][2].startswith("\ufffd[2J\ufffd]0;dueño\ufffd")
    raw = run("inbox", "export", "--format", "jsonl")
    assert [json.loads(line)["texto"] for line in raw.stdout.split("\n") if line] == replies


def cells(text: str, separator: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_no_cell_is_a_formula_wherever_the_reader_is(run: Run, replies: list[str], separator: str) -> None:
    written = run("inbox", "export").stdout
    invisible = '"\u00a0\u00ad\u200b\u2060\u3000\ufeff \t\r\n\v'
    for cell in cells(written, separator):
        assert not cell.lstrip(invisible).startswith(tuple("=+@＝＋＠－\u2212")), cell
        assert not re.match(r"\s*-(?!\d\d)", cell), cell
    assert written.count('"') >= 2 * len(replies)


def test_an_export_replaces_nothing_unasked(run: Run, core: CoreHarness, tmp_path: Path) -> None:
    campaign = str(core.load(2))
    kept, linked, link = tmp_path / "kept.csv", tmp_path / "linked", tmp_path / "link.csv"
    for path in (kept, linked):
        path.write_text("mine")
    link.symlink_to(linked)
    for command in (("campaign", "results", campaign), ("inbox", "export"), ("campaign", "audit", campaign)):
        for path in (kept, link, tmp_path):
            assert run(*command, "--output", str(path)).exit_code == 2, (command, path)
    assert (kept.read_text(), linked.read_text()) == ("mine", "mine")
    for path in (kept, link):
        assert run("campaign", "results", campaign, "--output", str(path), "--force").exit_code == 0
        assert path.stat().st_mode & 0o777 == 0o600
        assert not path.is_symlink()
    assert linked.read_text() == "mine"
    os.mkfifo(tmp_path / "pipe")
    assert run("campaign", "results", campaign, "--output", str(tmp_path / "pipe"), "--force").exit_code == 2
    assert not list(tmp_path.glob(".*.part"))


def test_a_list_is_a_regular_file(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        result = run("campaign", "create", str(path), "--template", "x", "--dry-run")
        assert result.exit_code == 2
        assert "regular file" in result.stderr or "directory" in result.stderr


def test_headings_over_the_limit_are_refused_instead_of_cut(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("telefono," + "x" * 140_000 + ",nombre\n1144445555,,Ana\n")
    result = run("campaign", "create", str(path), "--template", "Hola {nombre}", "--dry-run")
    assert result.exit_code == 2
    assert "128 KiB" in result.stderr


def test_what_is_shown_has_one_form() -> None:
    assert shown("a\x1b\x9b\u202e\n\té") == "a\\x1b\\x9b\\u202e\\n\\té"
    assert json.loads(in_json(json.dumps(WORDS, ensure_ascii=False))) == WORDS
