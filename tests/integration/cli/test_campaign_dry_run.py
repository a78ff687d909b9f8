"""What a dry run and the commands say of a list, in both languages."""

import re
from pathlib import Path

import openpyxl
import pytest

from tests.integration.cli.commands import TEMPLATE, Run, answer, contents
from tests.integration.core_harness import CoreHarness


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
    assert "programada\n   0 % de 1; termina hacia " in run("campaign", "list").stdout
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
