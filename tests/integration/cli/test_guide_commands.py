"""The guide's other operations from the command line: the JSON names that the outside holds on to."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dispatcher.cli import cli
from ops.simulator.process import SimulatorProcess

ANA, BETO = "1144445555", "1144445556"


class Shell:
    """Runs `dispatcher … --json` in this process: starting one for each call takes a second."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def cli(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> dict[str, Any]:
        """Its one JSON object."""
        done = CliRunner().invoke(cli, [*arguments, "--json"], env=self.environment, input=stdin)
        assert done.exit_code == code, f"{arguments}: {done.exit_code}\n{done.output}\n{done.exception!r}"
        return dict(json.loads(done.stdout))


@pytest.fixture
def shell(environment: dict[str, str]) -> Shell:
    return Shell(environment)


def names(value: dict[str, Any], *wanted: str) -> None:
    assert set(wanted) <= set(value), value


def test_send_answers_code_words_and_idinterno(shell: Shell, simulator: SimulatorProcess, tmp_path: Path) -> None:
    sent = shell.cli("send", ANA, "Hola señora")
    names(sent, "status", "result_code", "result_text", "idinterno")
    assert (sent["status"], sent["result_code"]) == ("accepted", 0)
    page = tmp_path / "page.html"
    page.write_text("<b>hola</b>")
    more = shell.cli("send", ANA, "ver http://1rck.in/-000000", "--html", str(page), "--idinterno", "H1", "--test")
    assert (more["status"], more["result_code"], more["idinterno"]) == ("simulated", 1, "H1")
    assert shell.cli("send", "12", "Hola", code=1)["result_code"] == -7
    assert shell.cli("send", ANA, "x" * 161, code=1)["result_code"] == -6
    for bad in (
        ("send", ANA, "Hola", "--html", str(page)),
        ("send", ANA, "Hola", "--start", "mañana"),
        ("send", ANA, "Hola", "--idinterno", "con espacio"),
        ("send", ANA, "Hola", "--transport", "soap"),
        ("send", ANA, "Hola", "--transport", "smtp"),
    ):
        assert len(shell.cli(*bad, code=2)["error"]) > 10
    assert len(list(simulator.posts())) == 2


def test_send_without_a_key_says_what_to_do(shell: Shell) -> None:
    del shell.environment["DISPATCHER_APIKEY"]
    for call in (("send", ANA, "Hola"), ("account",), ("inbox", "pull"), ("provider", "status", "--idinterno", "X")):
        answer = shell.cli(*call, code=2)
        assert "DISPATCHER_APIKEY" in answer["error"]
        assert answer["hint"]


def test_usuario_and_clave_alone_send_and_pull_and_say_what_they_cannot(
    shell: Shell, simulator: SimulatorProcess
) -> None:
    simulator.set_option(user=["USU:CLA"])
    del shell.environment["DISPATCHER_APIKEY"]
    shell.environment |= {"DISPATCHER_USUARIO": "USU", "DISPATCHER_CLAVE": "CLA"}
    assert shell.cli("send", ANA, "Hola", "--transport", "soap")["status"] == "accepted"
    simulator.reply(ANA, "SI")
    assert [reply["texto"] for reply in shell.cli("inbox", "pull")["replies"]] == ["SI"]
    for call in (("send", ANA, "Hola"), ("inbox", "pull", "--transport", "http"), ("account",)):
        answer = shell.cli(*call, code=2)
        assert "DISPATCHER_APIKEY" in answer["error"]
        assert "soap" in answer["hint"]


def test_account_shows_the_figures_and_null_for_what_the_plan_lacks(shell: Shell, simulator: SimulatorProcess) -> None:
    bare = shell.cli("account")
    assert (bare["saldo"], bare["vencimiento"], bare["envios"]) == (None, None, 0)
    simulator.set_option(credit=500, contract_expires="2030-01-31")
    simulator.set_clock(offset=120)
    full = shell.cli("account")
    names(full, "saldo", "vencimiento", "envios", "fecha", "offset_seconds")
    assert (full["saldo"], full["vencimiento"]) == (500, "2030-01-31")
    assert 115 < full["offset_seconds"] < 125
    simulator.set_option(apikey=["OTRA"])
    assert shell.cli("account", code=1)["hint"]


def test_provider_status_by_idinterno_and_by_fecha(shell: Shell, simulator: SimulatorProcess) -> None:
    fecha = simulator.set_clock(offset=0).translate(str.maketrans("", "", "-: "))
    simulator.inject({"idinterno": "XYZ", "text": f"{ANA}: el número corresponde a un teléfono fijo", "fecha": fecha})
    by_id = shell.cli("provider", "status", "--idinterno", "XYZ")
    assert by_id == {
        "pending": False,
        "results": [
            {"idinterno": "XYZ", "fecha": fecha, "text": f"{ANA}: el número corresponde a un teléfono fijo", "code": -1}
        ],
    }
    assert shell.cli("provider", "status", "--fecha", fecha) == by_id
    assert shell.cli("provider", "status", "--idinterno", "NADIE") == {"pending": True, "results": []}
    for bad in (["--idinterno", "a b"], ["--fecha", "2026"], [], ["--idinterno", "X", "--fecha", fecha]):
        shell.cli("provider", "status", *bad, code=2)


def test_inbox_pull_list_export_and_reply(shell: Shell, simulator: SimulatorProcess, tmp_path: Path) -> None:
    given = simulator.reply(ANA, "=1+1 hola", idinterno="AJENO")
    simulator.reply(BETO, "por favor no me den de baja")
    pulled = shell.cli("inbox", "pull")["replies"]
    for reply in pulled:
        names(reply, "id", "origen", "texto", "received_at", "idinterno", "campaign_id", "seq")
    assert {reply["id"] for reply in pulled} == {reply["id"] for reply in simulator.replies()}
    assert shell.cli("inbox", "pull", "--whole", "--format", "excel")["replies"] == []
    assert shell.cli("inbox", "list")["replies"] == pulled
    assert [r["origen"] for r in shell.cli("inbox", "list", "--kind", "review")["replies"]] == [BETO]
    assert [r["origen"] for r in shell.cli("inbox", "list", "--origen", f"011 15 {ANA[2:]}")["replies"]] == [ANA]
    file = tmp_path / "replies.csv"
    assert shell.cli("inbox", "export", "--output", str(file))["replies"] == 2
    assert "'=1+1 hola" in file.read_text(encoding="utf-8-sig")
    sheet = tmp_path / "replies.xlsx"
    assert shell.cli("inbox", "export", "--format", "xlsx", "--output", str(sheet))["replies"] == 2
    answered = shell.cli("inbox", "reply", str(given["id"]), "A las 15. Empresa SA")
    assert answered["status"] == "accepted"
    assert [line["destino"] for line in simulator.ledger()] == [ANA]
    shell.cli("inbox", "reply", "999999", "x", code=2)
    (other,) = {reply["id"] for reply in pulled} - {given["id"]}
    states = {reply["id"]: reply["state"] for reply in shell.cli("inbox", "list")["replies"]}
    assert states == {given["id"]: "answered", other: "new"}
    assert shell.cli("inbox", "done", str(other), str(given["id"]))["done"] == [other, given["id"]]
    assert {reply["state"] for reply in shell.cli("inbox", "list", "--state", "done")["replies"]} == {"done"}
    assert shell.cli("inbox", "list", "--state", "new")["replies"] == []
    shell.cli("inbox", "done", "999999", code=2)


def test_optout_add_remove_import_list(shell: Shell, tmp_path: Path) -> None:
    (added,) = shell.cli("optout", "add", f"+54 9 11 {ANA[2:6]}-{ANA[6:]}", "--reason", "por carta")["optouts"]
    names(added, "number", "source", "reason", "since")
    assert (added["number"], added["source"], added["reason"]) == (ANA, "operator", "por carta")
    assert shell.cli("optout", "add", ANA)["added"] == 0
    assert shell.cli("send", ANA, "Hola", code=1)["result_code"] == -3
    file = tmp_path / "nollame.txt"
    file.write_text(f"{ANA}\n{BETO}\n12\n")
    imported = shell.cli("optout", "import", str(file))
    assert [(o["number"], o["source"]) for o in imported["optouts"]] == [(BETO, "import")]
    assert (imported["added"], imported["known"], imported["invalid"]) == (1, 1, 1)
    assert shell.cli("optout", "import", "-", stdin=f"{BETO}\n".encode())["known"] == 1
    assert {o["number"] for o in shell.cli("optout", "list")["optouts"]} == {ANA, BETO}
    assert shell.cli("optout", "remove", ANA)["removed"] == 1
    assert [o["number"] for o in shell.cli("optout", "list")["optouts"]] == [BETO]
    for bad in (("add", "12"), ("remove", "abc"), ("import", str(tmp_path / "none.csv"))):
        assert shell.cli("optout", *bad, code=2)["error"]
    assert "-7" in shell.cli("optout", "add", "12", code=2)["error"]


@pytest.mark.parametrize(
    "name",
    ["PUSH_ALLOW", "PUSH_SECRET", "TRUSTED_HOPS", "PUSH_PORT", "OPTOUT_WORDS", "TRANSPORT", "SOAP_URL", "SMTP_URL"],
)
def test_a_bad_setting_is_named(name: str, shell: Shell) -> None:
    shell.environment[f"DISPATCHER_{name}"] = "!"
    assert f"DISPATCHER_{name}" in shell.cli("optout", "list", code=2)["error"]


def test_a_campaign_beyond_the_balance_is_warned_about_and_refused_when_asked(
    shell: Shell, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    file = tmp_path / "lista.csv"
    file.write_text("telefono\n" + "".join(f"11{20_000_000 + n}\n" for n in range(5)))
    create = ("campaign", "create", str(file), "--template", "Hola", "--again")
    assert shell.cli(*create)["warnings"] == []
    simulator.set_option(credit=3, contract_expires="2020-01-31")
    warnings = shell.cli(*create)["warnings"]
    assert len(warnings) == 2
    assert "balance is 3" in warnings[0]
    assert "2020-01-31" in warnings[1]
    assert shell.cli(*create, "--dry-run")["remarks"] == warnings
    before = len(shell.cli("campaign", "list")["campaigns"])
    assert "balance is 3" in shell.cli(*create, "--require-balance", code=2)["error"]
    simulator.set_faults({"kind": "error", "endpoint": "saldo"})
    assert shell.cli(*create)["warnings"] == []
    assert "cannot be read" in shell.cli(*create, "--require-balance", code=2)["error"]
    simulator.clear_faults()
    simulator.set_option(credit=100, contract_expires="2090-01-31")
    assert shell.cli(*create, "--require-balance")["messages"] == 5
    assert len(shell.cli("campaign", "list")["campaigns"]) == before + 2
