"""`campaign create`: what came of every row, what is refused, and nothing half-done."""

import csv
import io
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.commands import GOOD, TEMPLATE, Run, answer, contents
from tests.integration.core_harness import CoreHarness


def test_create_answers_with_what_came_of_every_row(run: Run, good: str, core: CoreHarness) -> None:
    made = answer(run("campaign", "create", good, *TEMPLATE, "--json"))
    assert (made["messages"], made["invalid"]) == (2, 1)
    text = Path(made["invalid_file"]).read_text(encoding="utf-8-sig")
    invalid_rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [(row["linea"], row["telefono"], row["nombre"]) for row in invalid_rows] == [("4", "123", "Corto")]
    core.check_sums(made["campaign_id"])
    assert core.message(made["campaign_id"], 2).texto == "Hola Jose, su saldo es $20. Empresa SA"


def test_a_full_disk_of_the_database_is_said_in_a_sentence_and_leaves_nothing(
    run: Run, good: str, core: CoreHarness
) -> None:
    assert core.account
    core.do(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"
    )
    core.do("CREATE TRIGGER full_disk BEFORE INSERT ON message EXECUTE FUNCTION full_disk()")
    before = contents(core)
    found = answer(run("campaign", "create", good, *TEMPLATE, "--json"), 1)
    assert "No space left on device" in found["error"]
    assert "does not answer" not in found["error"]
    assert contents(core) == before


def test_a_list_without_a_good_row_is_refused_and_its_rows_come_back(run: Run, core: CoreHarness) -> None:
    assert core.account
    before = contents(core)
    found = answer(run("campaign", "create", "-", *TEMPLATE, "--json", stdin="telefono;nombre;saldo\n12;Ana;1\n"), 1)
    assert "number_too_short 1" in found["error"]
    path = Path(found["hint"].removeprefix("Correct the rows in ").partition(": each")[0])
    assert "12;Ana;1;" in path.read_text(encoding="utf-8-sig")
    assert contents(core) == before


def test_mended_rows_are_appended_with_the_template_of_their_campaign(run: Run, good: str, core: CoreHarness) -> None:
    made = answer(run("campaign", "create", good, *TEMPLATE, "--json"))
    path = Path(made["invalid_file"])
    path.write_text(path.read_text(encoding="utf-8").replace("123;", "1144447777;"), encoding="utf-8")
    added = answer(run("campaign", "create", str(path), "--append-to", str(made["campaign_id"]), "--json"))
    assert (added["campaign_id"], added["messages"], added["invalid"]) == (made["campaign_id"], 1, 0)
    assert core.message(made["campaign_id"], 3).texto == "Hola Corto, su saldo es $30. Empresa SA"
    core.check_sums(made["campaign_id"])


def test_a_list_that_repeats_a_campaign_is_loaded_with_a_warning_or_refused(run: Run, good: str) -> None:
    first = answer(run("campaign", "create", good, *TEMPLATE, "--json"))
    again = answer(run("campaign", "create", good, *TEMPLATE, "--json", "--name", "otra"))
    assert [each["campaign_id"] for each in again["repeats"]] == [first["campaign_id"]]
    assert any("same list" in warning for warning in again["warnings"])
    assert "same list" in answer(run("campaign", "create", good, *TEMPLATE, "--json", "--refuse-repeats"), 1)["error"]
    assert answer(run("campaign", "create", good, *TEMPLATE, "--json", "--again"))["repeats"] == []


def test_without_a_template_nothing_is_loaded(run: Run, good: str) -> None:
    assert "template is required" in answer(run("campaign", "create", good, "--json"), 2)["error"]


def test_create_speaks_to_people_without_json(run: Run, good: str) -> None:
    result = run("campaign", "create", good, *TEMPLATE)
    assert result.exit_code == 0
    assert "2 messages" in result.stdout


def test_without_invalid_rows_there_is_no_invalid_file(run: Run) -> None:
    made = answer(
        run("campaign", "create", "-", *TEMPLATE, "--json", stdin="telefono,nombre,saldo\n1144445555,Ana,1\n")
    )
    assert (made["messages"], made["invalid"], made["invalid_file"]) == (1, 0, None)


def test_a_full_spool_is_named_and_changes_nothing(environment: dict[str, str], core: CoreHarness) -> None:
    before = contents(core)
    done = subprocess.run(
        [sys.executable, "-m", "dispatcher", "campaign", "create", "-", *TEMPLATE, "--json"],
        env={**os.environ, **environment},
        input=(GOOD * 50_000).encode(),
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
    )
    spool = Path(environment["DISPATCHER_HOME"]) / "spool"
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["error"] == (
        f"The list cannot be spooled in {spool}: File too large. Nothing was loaded."
    )
    assert list(spool.iterdir()) == []
    assert contents(core) == before


def test_stdin_may_be_latin_1(run: Run, core: CoreHarness) -> None:
    made = answer(
        run(
            "campaign",
            "create",
            "-",
            "--template",
            "Hola {n}",
            "--json",
            stdin="telefono;n\n1144445555;Ñandú\n".encode("latin-1"),
        )
    )
    assert core.message(made["campaign_id"], 1).texto == "Hola Nandu"


BAD_CREATES: list[tuple[str, list[str]]] = [
    ("missing file", ["/nowhere/list.csv", *TEMPLATE]),
    ("folder", ["/tmp", *TEMPLATE]),
    ("missing column", ["GOOD", "--template", "Hola {apellido}"]),
    ("broken template", ["GOOD", "--template", "Hola {nombre"]),
    ("unknown number column", ["GOOD", *TEMPLATE, "--to-column", "x"]),
    ("unknown id column", ["GOOD", *TEMPLATE, "--id-column", "x"]),
    ("bad start", ["GOOD", *TEMPLATE, "--start", "mañana"]),
    ("past deadline", ["GOOD", *TEMPLATE, "--expires", "2020-01-01 00:00:00"]),
    ("empty template", ["GOOD", "--template", ""]),
    ("bad priority", ["GOOD", *TEMPLATE, "--priority", "asap"]),
    ("no template", ["GOOD"]),
    ("unknown option", ["GOOD", *TEMPLATE, "--surprise"]),
    ("no file", [*TEMPLATE]),
]


# One database for many cases: making one costs more than trying them all.
@pytest.mark.parametrize("dry", [False, True], ids=["create", "dry-run"])
def test_bad_usage_exits_2_says_what_to_do_and_loads_nothing(run: Run, good: str, core: CoreHarness, dry: bool) -> None:
    wrong = []
    for what, arguments in BAD_CREATES:
        given = [good if a == "GOOD" else a for a in arguments] + (["--dry-run"] if dry else [])
        plain, as_json = run("campaign", "create", *given), run("campaign", "create", *given, "--json")
        if (plain.exit_code, as_json.exit_code, plain.stdout) != (2, 2, "") or "Error" not in plain.stderr:
            wrong.append((what, plain.exit_code, plain.output))
        elif not json.loads(as_json.stdout)["error"] or as_json.stdout.count("\n") != 1:
            wrong.append((what, 2, as_json.stdout))
    assert wrong == []
    assert core.one("SELECT count(*) FROM campaign") == 0


NO_LISTS = [
    b"",
    b"\n\n",
    b"telefono;nombre;saldo\n",
    b"%PDF-1.4 x",
    b"<html><body>x</body></html>",
    b"PK\x03\x04broken",
    b"\x1f\x8b\x08\x00",
    b"\x00\x01\x02\x03" * 50,
    b'[{"a": 1}]',
]


def test_a_file_that_is_no_list_exits_2(run: Run, tmp_path: Path, core: CoreHarness) -> None:
    for content in NO_LISTS:
        path = tmp_path / "list.csv"
        path.write_bytes(content)
        told = answer(run("campaign", "create", str(path), *TEMPLATE, "--json"), code=2)
        assert told["error"], content
    assert core.one("SELECT count(*) FROM campaign") == 0


def test_a_start_in_the_past_is_told(run: Run, good: str, core: CoreHarness) -> None:
    assert core.account
    late = ("--start", "2020-12-01 09:00:00", "--json")
    made = answer(run("campaign", "create", good, *TEMPLATE, *late))
    told = [words for words in made["warnings"] if "in the past" in words]
    assert len(told) == 1
    assert re.fullmatch(
        r"The start, 2020-12-01 09:00:00 \(-03\), is [0-9,]+ days in the past: the campaign begins at once\.", told[0]
    )
    assert told[0] in answer(run("campaign", "create", good, *TEMPLATE, *late, "--dry-run"))["remarks"]


def test_a_invalid_file_that_cannot_be_written_does_not_hide_the_campaign(
    run: Run, good: str, core: CoreHarness
) -> None:
    """An error after the commit would have the user create it, and send it, a second time."""
    core.settings.home.mkdir(parents=True, exist_ok=True)
    (core.settings.home / "invalid").write_text("in the way")
    made = answer(run("campaign", "create", good, *TEMPLATE, "--json"))
    assert core.one("SELECT count(*) FROM campaign") == 1
    assert (made["messages"], made["invalid"], made["invalid_file"]) == (2, 1, None)


def test_days_off_are_kept_and_said(run: Run, good: str) -> None:
    days = ("--not-on", "holidays", "--not-on", "2027-12-24,2027-12-31")
    created = answer(run("campaign", "create", good, *TEMPLATE, *days, "--start", "2027-12-24 09:00:00", "--json"))
    assert "Nothing may go at its start, 2027-12-24 09:00 (-03): it begins on 2027-12-26 00:00." in created["warnings"]
    shown = run("campaign", "show", str(created["campaign_id"]))
    assert "not on holidays, 2027-12-24, 2027-12-31." in " ".join(shown.stdout.split())
    refused = run("campaign", "create", good, *TEMPLATE, "--not-on", "christmas")
    assert refused.exit_code == 2
    assert "neither holidays nor a day" in refused.stderr


def test_a_dry_run_knows_the_days_off(run: Run, good: str) -> None:
    days = ("--not-on", "holidays", "--not-on", "2027-12-24", "--start", "2027-12-24 09:00:00", "--dry-run")
    would = answer(run("campaign", "create", good, *TEMPLATE, *days, "--json"))
    assert would["begins"] == "2027-12-26T03:00:00+00:00"
    assert would["basis"].endswith(", not on holidays, 2027-12-24")
