"""The command line: exit codes, one JSON object, nothing half-done, and cells that no spreadsheet runs."""

import csv
import io
import json
import os
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import campaign_views, cli
from tests.integration.core_harness import VIEW_COLUMNS, CoreHarness

Run = Callable[..., Result]

GOOD = "telefono;nombre;saldo\n1144445555;Ana;10\n1144446666;José;20\n123;Corto;30\n"


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `dispatcher …` in this process; the result has exit_code, stdout and stderr."""

    def call(*arguments: str, stdin: str | bytes | None = None, **changes: str) -> Result:
        for name, value in {**environment, **changes}.items():
            monkeypatch.setenv(name, value)
        # Without standalone mode click's own errors would be raised instead of told.
        return CliRunner().invoke(cli, list(arguments), input=stdin, prog_name="dispatcher")

    return call


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "clientes.csv"
    path.write_text(GOOD, encoding="utf-8")
    return str(path)


def answer(result: Result, code: int = 0) -> dict[str, Any]:
    """The one JSON object on stdout."""
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr, result.exception)
    lines = result.stdout.splitlines()
    assert len(lines) == 1, result.stdout
    found = json.loads(lines[0])
    assert isinstance(found, dict)
    return found


TEMPLATE = ("--template", "Hola {nombre}, su saldo es ${saldo}. Empresa SA")


def contents(core: CoreHarness) -> dict[str, int]:
    """Rows of every table."""
    names = [r.relname for r in core.rows("SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'public'")]
    return {name: core.one(f'SELECT count(*) FROM "{name}"') for name in sorted(names)}


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


def test_a_watch_without_a_terminal_writes_lines(run: Run, good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = str(answer(run("campaign", "create", good, *TEMPLATE, "--json"))["campaign_id"])
    monkeypatch.setattr(campaign_views, "_LINE_EVERY", 0.0)
    seen = run("campaign", "watch", campaign, "--timeout", "0.6")
    assert seen.exit_code == 1
    assert seen.stderr.count("pending 2; 0 of 2 final") >= 2, seen.stderr
    quiet = run("campaign", "watch", campaign, "--timeout", "0.6", "--json")
    assert "final" not in quiet.stderr


def test_ctrl_c_ends_the_watching_and_says_that_the_campaign_goes_on(
    run: Run, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = str(answer(run("campaign", "create", good, *TEMPLATE, "--json"))["campaign_id"])

    def pressed(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign_views.time, "sleep", pressed)
    seen = run("campaign", "watch", campaign)
    assert seen.exit_code != 0
    assert f"Campaign {campaign} goes on. To stop it: dispatcher campaign pause {campaign}" in " ".join(
        seen.stderr.split()
    )


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


def test_a_dry_run_changes_nothing(run: Run, good: str, core: CoreHarness) -> None:
    core.do("INSERT INTO optout (destino, source) VALUES ('1144445555', 'test')")
    before = contents(core)
    found = answer(run("campaign", "create", good, *TEMPLATE, "--dry-run", "--json"))
    assert contents(core) == before
    assert not (core.settings.home / "invalid").exists()
    assert (found["campaign_id"], found["messages"], found["invalid"], found["suppressed"]) == (None, 2, 1, 1)
    assert "1144445555" not in [sample["destino"] for sample in found["samples"]]
    assert found["ends"] >= found["begins"]


def test_a_dry_run_needs_neither_key_nor_database(run: Run, good: str, tmp_path: Path) -> None:
    result = run(
        "campaign", "create", good, *TEMPLATE, "--dry-run", "--json",
        DISPATCHER_APIKEY="", DISPATCHER_DATABASE_URL="", DISPATCHER_HOME=str(tmp_path / "untouched"),
    )  # fmt: skip
    found = answer(result)
    assert found["messages"] == 2
    assert "no database yet" in " ".join(found["remarks"])
    assert not (tmp_path / "untouched").exists()


def test_a_dry_run_starts_the_embedded_database_to_look_up_opt_outs(run: Run, good: str, tmp_path: Path) -> None:
    own = {"DISPATCHER_DATABASE_URL": "", "DISPATCHER_BROKER_URL": "", "DISPATCHER_HOME": str(tmp_path / "own")}
    answer(run("optout", "add", "1144445555", "--json", **own))
    assert not (tmp_path / "own" / "postgres" / "postmaster.pid").exists()
    found = answer(run("campaign", "create", good, *TEMPLATE, "--dry-run", "--json", **own))
    assert found["suppressed"] == 1
    assert "1144445555" not in [sample["destino"] for sample in found["samples"]]
    assert "opt-outs" not in " ".join(found["remarks"]).lower()
    assert not (tmp_path / "own" / "postgres" / "postmaster.pid").exists()


def test_what_was_taken_for_granted_in_a_list_is_told(run: Run, core: CoreHarness, tmp_path: Path) -> None:
    assert core.account
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["LEEME"])
    for name in ("Mayo", "Junio"):
        sheet = book.create_sheet(name)
        for row in (["Clientes"], ["telefono", "nombre", "saldo"], ["1144445555", name, 1234.5]):
            sheet.append(row)
        sheet["C3"].number_format = '"$" #,##0.00'
        sheet.row_dimensions[3].hidden = True
    path = tmp_path / "lista.xlsx"
    book.save(path)
    create = ("campaign", "create", str(path), "--template", "Hola {nombre}, {saldo}", "--json")

    looked = answer(run(*create, "--dry-run"))
    assert looked["samples"] == [{"destino": "1144445555", "texto": "Hola Mayo, $ 1.234,50"}]
    made = answer(run(*create, "--sheet", "junio", "--header-row", "2"))
    for found, sheet_name, codes in (
        (looked, "Mayo", ["sheet", "sheets_not_read", "header_row", "hidden_rows"]),
        (made, "Junio", ["sheet", "sheets_not_read", "hidden_rows"]),
    ):
        assert [each["code"] for each in found["reading"]] == codes
        assert found["reading"][0]["sheet"] == sheet_name
        assert {each["text"] for each in found["reading"]} <= set(found["remarks"])
    assert core.one("SELECT texto FROM message") == "Hola Junio, $ 1.234,50"
    refused = run(*create, "--visible-only")
    assert refused.exit_code != 0
    assert "no rows" in refused.stdout + refused.stderr


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


@pytest.mark.parametrize("command", ["show", "watch", "pause", "resume", "cancel", "results"])
def test_an_unknown_campaign_exits_2(run: Run, core: CoreHarness, command: str) -> None:
    assert core.account
    assert "no campaign 99" in answer(run("campaign", command, "99", "--json"), code=2)["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("campaign", "show", "x", "--json"),
        ("campaign", "show", "--json"),
        ("nothing", "--json"),
        ("campaign", "results", "1", "--format", "pdf", "--json"),
    ],
)
def test_bad_arguments_are_one_object_too(run: Run, arguments: tuple[str, ...]) -> None:
    assert answer(run(*arguments), code=2)["error"]


def test_a_bad_setting_exits_2_with_its_name(run: Run, good: str) -> None:
    told = answer(run("campaign", "create", good, *TEMPLATE, "--json", DISPATCHER_WINDOW="always"), code=2)
    assert "DISPATCHER_WINDOW" in told["error"]


def test_the_doctor_tells_a_bad_setting_as_a_finding(run: Run) -> None:
    found = answer(run("doctor", "--json", DISPATCHER_CHUNK_SIZE="0"), code=1)
    assert found["ok"] is False
    (check,) = found["checks"]
    assert (check["name"], check["ok"]) == ("settings", False)
    assert "DISPATCHER_CHUNK_SIZE" in check["detail"]


def test_a_home_that_is_no_folder_is_named(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    nowhere = {"DISPATCHER_HOME": str(file / "home"), "DISPATCHER_DATABASE_URL": ""}
    told = answer(run("campaign", "list", "--json", **nowhere), code=2)
    assert str(file / "home") in told["error"]
    (check,) = answer(run("doctor", "--json", **nowhere), code=1)["checks"]
    assert str(file / "home") in check["detail"]


def test_without_a_key_create_exits_2(run: Run, good: str) -> None:
    told = answer(run("campaign", "create", good, *TEMPLATE, "--json", DISPATCHER_APIKEY=""), code=2)
    assert "DISPATCHER_APIKEY" in told["error"]


def test_show_and_list_tell_the_state_and_the_sums(run: Run, core: CoreHarness) -> None:
    campaign = core.load(12)
    core.send()
    core.settle((core.reference(campaign, 1), "OK"), (core.reference(campaign, 2), "112: es un teléfono fijo"))
    shown = answer(run("campaign", "show", str(campaign), "--json"))
    expected = {"campaign_id": campaign, "state": "running", "blocked": None, "messages": 12, "invalid": 0, "held": 0}
    assert {key: shown[key] for key in expected} == expected
    assert shown["counts"] == {"ok": 1, "rejected": 1, "submitted": 8, "pending": 2}
    assert shown["result_codes"] == {"0": 1, "-1": 1}
    listed = answer(run("campaign", "list", "--json"))
    assert [found["campaign_id"] for found in listed["campaigns"]] == [campaign]
    assert run("campaign", "show", str(campaign)).exit_code == 0


def test_watch_exits_0_only_when_completed(run: Run, core: CoreHarness) -> None:
    campaign = core.load(1)
    assert answer(run("campaign", "watch", str(campaign), "--timeout", "0", "--json"), code=1)["state"] == "scheduled"
    core.send()
    core.settle((core.reference(campaign, 1), "OK"))
    assert answer(run("campaign", "watch", str(campaign), "--timeout", "5", "--json"))["state"] == "completed"
    other = core.load(1)
    answer(run("campaign", "cancel", str(other), "--json"))
    assert answer(run("campaign", "watch", str(other), "--timeout", "5", "--json"), code=1)["state"] == "cancelled"


def test_pause_resume_and_cancel_answer_with_state_and_flights(run: Run, core: CoreHarness) -> None:
    campaign = str(core.load(20))
    assert answer(run("campaign", "pause", campaign, "--json")) == {
        "campaign_id": int(campaign),
        "state": "paused",
        "in_flight": 0,
    }
    assert answer(run("campaign", "resume", campaign, "--json"))["state"] == "scheduled"
    core.claim()
    assert answer(run("campaign", "pause", campaign, "--wait", "0", "--json"))["in_flight"] == 1
    assert answer(run("campaign", "cancel", campaign, "--wait", "0", "--json"))["state"] == "cancelled"
    assert answer(run("campaign", "resume", campaign, "--json"), code=2)["error"]


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


def test_a_dry_run_says_what_the_list_repeats(run: Run, good: str) -> None:
    made = answer(run("campaign", "create", good, *TEMPLATE, "--json"))
    seen = answer(run("campaign", "create", good, *TEMPLATE, "--dry-run", "--json"))
    assert [(each["code"], each["campaign_id"]) for each in seen["repeats"]] == [("same_list", made["campaign_id"])]
    assert any("The same list with the same text" in remark for remark in seen["remarks"])
    meant = answer(run("campaign", "create", good, *TEMPLATE, "--again", "--dry-run", "--json"))
    assert meant["repeats"] == []


def test_a_dry_run_of_an_append_takes_the_campaigns_template_and_knows_its_numbers(
    run: Run, good: str, tmp_path: Path
) -> None:
    campaign = str(answer(run("campaign", "create", good, *TEMPLATE, "--json"))["campaign_id"])
    more = tmp_path / "more.csv"
    more.write_text(Path(good).read_text("utf-8") + "1144449999;Paz;5\n")
    seen = answer(run("campaign", "create", str(more), "--append-to", campaign, "--dry-run", "--json"))
    assert (seen["messages"], seen["reasons"]["duplicate"]) == (1, 2)
    assert seen["samples"][0]["destino"] == "1144449999"
    refused = answer(run("campaign", "create", str(more), "--append-to", "99", "--dry-run", "--json"), code=2)
    assert "99" in refused["error"]


def test_the_owner_of_a_list_reads_spanish(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_LANGUAGE", "es")
    path = tmp_path / "lista.csv"
    path.write_text("telefono;nombre\n1144445555;Ana\n11;Sol\n")
    seen = answer(run("campaign", "create", str(path), "--template", "Hola {nombre}", "--dry-run", "--json"))
    assert (seen["invalid_rows"][0]["reason"], seen["invalid_rows"][0]["code"]) == ("number_too_short", -7)
    assert "11 es demasiado corto" in seen["invalid_rows"][0]["detail"]
    made = answer(run("campaign", "create", str(path), "--template", "Hola {nombre}", "--json"))
    assert "11 es demasiado corto" in Path(made["invalid_file"]).read_text("utf-8-sig")
    refused = answer(run("campaign", "create", str(path), "--template", "Hola {apellido}", "--json"), code=2)
    assert refused["error"].startswith("la plantilla nombra la columna 'apellido', que el archivo no tiene")
    monkeypatch.setenv("DISPATCHER_LANGUAGE", "fr")
    assert "DISPATCHER_LANGUAGE" in answer(run("campaign", "show", "1", "--json"), code=2)["error"]


def test_what_the_commands_say_of_a_list_is_spanish_too(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_LANGUAGE", "es")
    path = tmp_path / "lista.csv"
    path.write_text("telefono;nombre\n1144445555;José\n11;Sol\nTOTAL;2\n")
    text = ("--template", "Hola {nombre}")
    dry = run("campaign", "create", str(path), *text, "--dry-run")
    assert "1 mensaje, 2 filas inválidas." in dry.stdout
    assert "Simulación: no se cambió nada." in dry.stdout
    assert "El número se toma de telefono; el texto, de nombre." in dry.stdout
    assert "la más larga" in dry.stdout
    made = run("campaign", "create", str(path), *text, "--start", "2099-12-01 09:00:00")
    assert "Campaña 1: 1 mensaje, 2 filas inválidas." in made.stdout
    assert "Corríjalas ahí, y después: dispatcher campaign create" in made.stdout
    assert "Filas inválidas por motivo" in made.stdout
    shown = run("campaign", "show", "1")
    assert "Campaña 1 «lista»: programada" in shown.stdout
    assert "Desde 01/12/2099 09:00:00 (-03); prioridad normal." in shown.stdout
    assert "1 mensaje (0 con resultado final), 2 filas inválidas." in shown.stdout
    assert "espera su envío" in shown.stdout
    assert "Campañas" in run("campaign", "list").stdout
    again = run("campaign", "create", str(path), *text, "--start", "2099-12-01 09:00:00")
    assert re.search(r"la campaña 1 «lista»\s+\(programada,\s+[0-9]{2}/[0-9]{2}/[0-9]{4} [0-9:]{5}\)", again.stderr)
    for wrong, said in (
        (("--template", "Hola {nombre}", "--start", "ayer"), "no tiene un formato de fecha conocido"),
        (("--append-to", "99"), "No existe la campaña 99."),
        ((), "falta la plantilla"),
    ):
        refused = run("campaign", "create", str(path), *wrong)
        assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.stderr
        assert "Error:" in refused.stderr
        assert "What to do" not in refused.stderr
    nothing = tmp_path / "nadie.csv"
    nothing.write_text("telefono;nombre\n11;Sol\n")
    refused = run("campaign", "create", str(nothing), *text)
    assert "Corrija las filas en" in " ".join(refused.stderr.split())
    taken = run("optout", "import", str(path))
    assert "Bajas nuevas: 1; ya dados de baja: 0. Filas con lo que no es un número: 2." in taken.stdout, taken.stdout


def test_one_is_one_and_two_are_two(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "lista.csv"
    path.write_text("telefono;nombre\n1144445555;Ana\n11;Sol\n")
    text = ("--template", "Hola {nombre}")
    assert "1 message, 1 invalid row.\n" in run("campaign", "create", str(path), *text, "--dry-run").stdout


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


@pytest.fixture
def refusing_postgres() -> Iterator[str]:
    """A server that speaks enough of Postgres to refuse a password."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                while (first := peer.recv(1024)) and first[4:8] in (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"):
                    peer.sendall(b"N")  # no TLS, no GSS
                words = b'SFATAL\x00VFATAL\x00C28P01\x00Mpassword authentication failed for user "u"\x00\x00'
                peer.sendall(b"E" + (len(words) + 4).to_bytes(4, "big") + words)

    thread = Thread(target=serve, daemon=True)
    thread.start()
    yield f"postgresql://u:hunter2@127.0.0.1:{listener.getsockname()[1]}/x"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_a_wrong_password_exits_1_names_the_setting_and_shows_no_secret(
    run: Run, good: str, refusing_postgres: str
) -> None:
    for arguments in (("campaign", "list"), ("campaign", "create", good, *TEMPLATE), ("db", "upgrade")):
        result = run(*arguments, "--json", DISPATCHER_DATABASE_URL=refusing_postgres)
        told = answer(result, code=1)
        assert "password authentication failed" in told["error"]
        assert "DISPATCHER_DATABASE_URL" in told["hint"]
        assert "hunter2" not in result.output


def test_a_database_that_is_not_there_exits_1(run: Run) -> None:
    told = answer(
        run("campaign", "list", "--json", DISPATCHER_DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/x"), code=1
    )
    assert "database" in told["error"]
    assert "Connection refused" in told["error"]


def test_a_database_without_the_schema_says_db_upgrade(run: Run, core: CoreHarness) -> None:
    core.do("DELETE FROM alembic_version")
    told = answer(run("campaign", "list", "--json"), code=2)
    assert "dispatcher db upgrade" in told["hint"]


def test_upgrading_twice_is_fine(run: Run) -> None:
    first = answer(run("db", "upgrade", "--json"))
    assert first["before"] == first["after"]


def test_another_key_is_refused_until_rekey(run: Run, good: str, core: CoreHarness) -> None:
    core.load(1)
    told = answer(run("campaign", "create", good, *TEMPLATE, "--json", DISPATCHER_APIKEY="OTHER"), code=2)
    assert "rekey" in told["hint"]
    assert core.one("SELECT count(*) FROM campaign") == 1
    answer(run("account", "rekey", "--json", DISPATCHER_APIKEY="OTHER"))
    answer(run("campaign", "create", good, *TEMPLATE, "--json", DISPATCHER_APIKEY="OTHER"))


def test_nobody_waits_for_workers_that_are_not_there(run: Run, core: CoreHarness, good: str) -> None:
    never = "No worker has been seen yet: nothing will be sent until `dispatcher up` runs."
    gone = "No worker has been seen for 3 minutes: nothing will be sent until `dispatcher up` runs."
    create = ("campaign", "create", good, *TEMPLATE)

    def said(*arguments: str) -> tuple[str, bool]:
        """What people read, and the flag."""
        plain = run(*arguments)
        return plain.stderr, json.loads(run(*arguments, "--json").stdout)["workers_seen"]

    number = str(answer(run(*create, "--json"))["campaign_id"])
    looks = [create, ("campaign", "show", number), ("campaign", "watch", number, "--timeout", "0")]
    for sentence, age in ((never, None), (gone, "190 seconds"), (None, "50 seconds")):
        if age:
            core.do("DELETE FROM heartbeat")
            core.do(f"INSERT INTO heartbeat (name, at) VALUES ('tick', clock_timestamp() - interval '{age}')")
        for look in looks:
            words, seen = said(*look)
            assert seen is (sentence is None), look
            assert " ".join(words.split()).count(sentence or "No worker") == (sentence is not None), (look, words)


def test_resolving_all_goes_on_behind_a_chunk_that_may_not_be_resolved_yet(run: Run, core: CoreHarness) -> None:
    campaign = core.load(10, last_line_alone=True)
    core.do("UPDATE chunk SET state = 'held', attempt = 1, doubt_since = now(), doubt_reason = 'timeout'")
    core.do(
        "INSERT INTO attempt (chunk_id, attempt, messages, provider_at, lease_until) "
        "SELECT id, 1, 10, now(), now() + interval '1 hour' FROM chunk WHERE chunk_no = 1"
    )
    found = answer(run("campaign", "resolve", str(campaign), "--all", "--as", "unsent", "--json"), 1)
    assert 1 not in [each["chunk_no"] for each in found["resolved"]] != []
    (refused,) = found["refused"]
    assert refused["chunk_no"] == 1
    assert "under way" in refused["why"]
