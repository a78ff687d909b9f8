"""A working day at the command line, as marketing's new colleague would spend it, in a terminal of 60 and of 80 columns.

Each command runs in a terminal of its own with real workers, a real database and the simulated provider. What is
asserted is what stands on the screen.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import openpyxl
import pytest

from dispatcher.i18n.words import Language, translated
from ops.simulator.process import SimulatorProcess
from tests.acceptance.live_system import LiveSystem
from tests.conftest import wait_until
from tests.terminal import Seen, type_in

TEMPLATE = "Hola {nombre:title}, su saldo es {saldo:money}. Empresa SA"
GOOD = 28
ENGLISH = re.compile(
    r"\b(messages?|is|are|was|were|the|of|rows?|with|and|or|not|nothing|from|until|what|held|doubt|sent|paused)\b"
)


class Desk:
    """Somebody at a terminal: everything that is typed here must fit the width and be in one language."""

    def __init__(self, environment: dict[str, str], columns: int, language: Language) -> None:
        self.environment = {**environment, "DISPATCHER_LANGUAGE": language}
        self.columns, self.language = columns, language

    def type(self, *arguments: str, code: int | None = 0, answer: bytes = b"", english: bool = False) -> Seen:
        seen = type_in(self.environment, self.columns, *arguments, answer=answer)
        said = f"$ dispatcher {' '.join(arguments)}\n" + "\n".join(seen.lines)
        assert code is None or seen.code == code, said
        assert seen.wider_than(self.columns) == [], said
        assert "Traceback" not in said, said
        if self.language == "es" and not english:
            assert [word for line in seen.lines for word in ENGLISH.findall(without_commands(line))] == [], said
        return seen

    def says(self, sentence: str) -> str:
        """A sentence of the code as this person reads it."""
        return translated(sentence, self.language)


def without_commands(line: str) -> str:
    """A line without what is to be typed, which is the same in every language."""
    return re.sub(r"dispatcher [a-z].*|`[^`]*`|--[a-z-]+( [a-z|]+)?|\S*[/_.]\S*", "", line)


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    """Marketing's workbook: a title over the headings, numbers in all forms, a bad row, a repeated one."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Clientes de diciembre"])
    sheet.append([])
    sheet.append(["Nombre", "Celular", "Saldo"])
    for n in range(GOOD):
        sheet.append([f"CLIENTE {n:02}", f"011 15 4543-{3000 + n}", 1234.5 + n])
    sheet.append(["CORTO", "4543", 10])
    sheet.append(["REPETIDO", "1145433000", 10])
    path = tmp_path / "clientes.xlsx"
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("language", "columns"),
    [
        ("en", 80),
        ("es", 60),
        pytest.param("en", 60, marks=pytest.mark.slow),
        pytest.param("es", 80, marks=pytest.mark.slow),
    ],
)
def test_a_working_day(
    live: LiveSystem, simulator: SimulatorProcess, workbook: Path, language: Language, columns: int
) -> None:
    live.cluster.environment |= {"DISPATCHER_INBOX_INTERVAL": "1"}
    desk = Desk(live.cluster.environment, columns, language)
    look_before_anything_is_sent(desk, live, workbook)
    live.cluster.start()
    campaign = send_it(desk, live, simulator, workbook)
    stop_another_one(desk, workbook)
    read_what_people_answered(desk, live, simulator)
    hand_in_the_results(desk, campaign, workbook.parent)
    try_again_what_failed(desk, live, simulator, workbook)
    decide_a_doubt(desk, live, simulator, workbook)
    look_after_the_machine(desk, campaign)


def look_before_anything_is_sent(desk: Desk, live: LiveSystem, workbook: Path) -> None:
    seen = desk.type("campaign", "create", str(workbook), "--template", TEMPLATE, "--dry-run", english=True)
    assert "Hola Cliente 00, su saldo es $ 1.234,50." in seen.text  # what follows may stand in the next line
    assert desk.says("Dry run: nothing was changed.") in seen.text
    assert "1145433000" in seen.text
    answered = desk.type("campaign", "create", str(workbook), "--template", TEMPLATE, answer=b"n\n", code=1)
    assert desk.says("Nothing was sent, and no campaign was made.") in answered.text
    assert live.value("SELECT count(*) FROM campaign") == 0
    none = desk.type("campaign", "list")
    assert "dispatcher campaign create" in none.text


def send_it(desk: Desk, live: LiveSystem, simulator: SimulatorProcess, workbook: Path) -> int:
    seen = desk.type(
        *("campaign", "create", str(workbook), "--template", TEMPLATE, "--to-me", "11 3333-2222"), answer=b"y\n"
    )
    assert {"es": "[s/N]", "en": "[y/N]"}[desk.language] in seen.text
    assert next(line["destino"] for line in simulator.ledger()) == "1133332222"
    campaign = int(live.value("SELECT max(id) FROM campaign"))
    assert f"dispatcher campaign watch {campaign}" in seen.text
    watched = desk.type("campaign", "watch", str(campaign))
    assert {"es": "completa", "en": "completed"}[desk.language] in watched.text
    listed = desk.type("campaign", "list")
    assert {"es": "100 % de 28", "en": "100 % of 28"}[desk.language] in listed.text
    shown = desk.type("campaign", "show", str(campaign))
    assert desk.says("delivered to the phone company") in shown.text
    return campaign


def stop_another_one(desk: Desk, workbook: Path) -> None:
    made = desk.type(
        *("campaign", "create", str(workbook), "--template", "Mañana {nombre}. Empresa SA", "--start", "+2h", "--yes"),
    )
    number = re.findall(r"campaign watch (\d+)", made.text)[-1]
    assert {"es": "hora argentina", "en": "Argentine time"}[desk.language] in made.text
    states = {"es": ("en pausa", "programada", "cancelada"), "en": ("paused", "scheduled", "cancelled")}[desk.language]
    for what, state in zip(("pause", "resume", "cancel"), states, strict=True):
        assert state in desk.type("campaign", what, number).text
    refused = desk.type("campaign", "resume", number, code=2)
    assert desk.says("What to do:") in refused.text
    events = desk.type("campaign", "events", number)
    for word in ("created", "paused", "resumed", "cancelled"):
        assert desk.says(word) in events.text


def read_what_people_answered(desk: Desk, live: LiveSystem, simulator: SimulatorProcess) -> None:
    simulator.reply("1145433001", "BAJA")
    asked = simulator.reply(
        "1145433002", "¿A qué hora abren mañana? Quiero pasar por la oficina de la calle Corrientes"
    )
    live.wait_for(lambda: live.value("SELECT count(*) FROM reply") == 2, 30, "both replies are stored")
    listed = desk.type("inbox", "list")
    assert "¿A qué hora abren mañana?" in listed.text
    assert desk.says("opt-out") in listed.text
    desk.type("inbox", "reply", str(asked["id"]), "De 9 a 18. Empresa SA")
    assert str(asked["id"]) in desk.type("inbox", "done", str(asked["id"])).text
    out = desk.type("optout", "check", "011 15 4543-3001")
    assert "1145433001" in out.text
    assert {"es": "baja", "en": "opted out"}[desk.language] in out.text
    assert "1145433001" in desk.type("optout", "list").text
    desk.type("optout", "add", "11 4543-3003", "--reason", "carta del 3/12")
    person = desk.type("person", "show", "11 4543-3002")
    assert "De 9 a 18. Empresa SA" in person.text
    assert "Hola Cliente 02" in person.text


def hand_in_the_results(desk: Desk, campaign: int, folder: Path) -> None:
    for kind in ("csv", "xlsx"):
        path = folder / f"resultados.{kind}"
        desk.type("campaign", "results", str(campaign), "--format", kind, "-o", str(path), "--with-list")
        again = desk.type("campaign", "results", str(campaign), "--format", kind, "-o", str(path), code=2)
        assert "--force" in again.text
    with (folder / "resultados.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=";"))
    assert len(rows) == GOOD
    assert {"Nombre", "Saldo"} <= {name.removeprefix("list_") for name in rows[0]}, rows[0]
    sheet = openpyxl.load_workbook(folder / "resultados.xlsx").worksheets[0]
    assert sheet.max_row == GOOD + 1
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref


def try_again_what_failed(desk: Desk, live: LiveSystem, simulator: SimulatorProcess, workbook: Path) -> None:
    simulator.set_option(mix={"-10": 1.0})
    made = desk.type("campaign", "create", str(workbook), "--template", "Aviso {nombre}. Empresa SA", "--yes")
    number = re.findall(r"campaign watch (\d+)", made.text)[-1]
    watched = desk.type("campaign", "watch", number)
    assert desk.says("The phone company rejected the recipient.")[:20] in watched.text
    simulator.set_option(mix={})
    draft = desk.type("campaign", "retry", number, "--failed")
    again = re.findall(r"campaign send (\d+)", draft.text)[-1]
    desk.type("campaign", "send", again)
    live.finish(int(again))
    assert live.show(int(again)).counts == {"ok": GOOD - 2}  # two have opted out since


def decide_a_doubt(desk: Desk, live: LiveSystem, simulator: SimulatorProcess, workbook: Path) -> None:
    simulator.set_faults({"kind": "close", "endpoint": "bulk", "take": "none", "times": 1})
    made = desk.type(
        *("campaign", "create", str(workbook), "--template", "Duda {nombre}. Empresa SA", "--on-doubt", "hold", "--yes")
    )
    number = re.findall(r"campaign watch (\d+)", made.text)[-1]
    live.wait_for(lambda: live.value("SELECT count(*) FROM chunk WHERE state = 'held'"), 60, "a chunk is held")
    doubts = desk.type("campaign", "doubts", number)
    assert desk.says("this campaign resends nothing by itself") in doubts.text
    assert desk.says("the provider closed the connection without an answer") in doubts.text
    wrong = desk.type("campaign", "resolve", number, "--chunk", "77", "--as", "sent", code=2)
    assert "77" in wrong.text
    desk.type("campaign", "resolve", number, "--all", "--as", "unsent")
    live.finish(int(number))
    audited = desk.type("campaign", "audit", number)
    assert desk.says("Every sum holds.") in audited.text


def look_after_the_machine(desk: Desk, campaign: int) -> None:
    # A worker may need longer for its answer than a check waits, while the machine has other work.
    wait_until(lambda: type_in(desk.environment, desk.columns, "doctor").code == 0, 30, "every check is good")
    doctor = desk.type("doctor", code=None, english=True)
    assert desk.says("accepted") in doctor.text
    assert "PostgreSQL" in doctor.text
    assert desk.says("Every sum holds.") in desk.type("campaign", "audit", str(campaign)).text
    assert "canary" in desk.type("help", "terms", english=True).text
    completion = type_in(desk.environment, desk.columns, "completion", "bash")
    assert completion.code == 0
    assert "complete -o nosort -F" in completion.text
    wrong = desk.type("campaign", "show", "99999", code=2)
    assert desk.says("What to do:") in wrong.text
    answered = json.loads(type_in(desk.environment, 1_000, "campaign", "show", str(campaign), "--json").text)
    assert answered["messages"] == GOOD
