"""Bad input to every command: the guide's code or a sentence that says what to do, never a traceback, nothing sent."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import cli
from ops.simulator.process import SimulatorProcess
from tests.conftest import APIKEY

ANA = "1144445555"
Words = tuple[str, ...]


def leaves(command: click.Command, path: Words = ()) -> Iterator[tuple[Words, click.Command]]:
    """Every command that does something."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, name
            yield from leaves(child, (*path, name))
        if not command.invoke_without_command:
            return
    yield path, command


COMMANDS = dict(leaves(cli))

CASES: dict[Words, list[tuple[Words, str]]] = {
    ("account",): [(("--surprise",), "No such option")],
    ("account", "rekey"): [(("x",), "unexpected")],
    ("account", "resume"): [((), "no account in this database"), (("x",), "unexpected")],
    ("campaign", "audit"): [(("99",), "no campaign 99"), (("x",), "not a valid integer"), ((), "Missing argument")],
    ("campaign", "cancel"): [(("99",), "no campaign 99"), (("1", "--wait", "x"), "--wait")],
    ("campaign", "create"): [
        (("/nowhere.csv", "--template", "x"), "/nowhere.csv"),
        (("GOOD", "--template", "Hola {apellido}"), "apellido"),
        (("GOOD", "--template", "Hola", "--html", "/nowhere.html"), "/nowhere.html"),
        (("GOOD", "--template", "Hola", "--html", "GOOD"), "mark"),
        (("GOOD", "--template", "Mira http://1rck.in/-000000"), "HTML"),
        (("GOOD", "--template", "Hola", "--canary", "0"), "--canary"),
        (("GOOD", "--template", "Hola", "--max-reject-rate", "2"), "--max-reject-rate"),
        (("GOOD", "--template", "Hola", "--start", "2026-02-30 10:00:00"), "start"),
    ],
    ("campaign", "events"): [(("99",), "no campaign 99")],
    ("campaign", "send"): [(("99",), "no campaign 99"), (("x",), "not a valid integer")],
    ("campaign", "doubts"): [(("99",), "no campaign 99")],
    ("campaign", "list"): [(("--limit", "x"), "--limit")],
    ("campaign", "pause"): [(("99",), "no campaign 99")],
    ("campaign", "resolve"): [(("99", "--chunk", "1", "--as", "sent"), "99"), (("1", "--chunk", "1"), "--as")],
    ("campaign", "results"): [(("99",), "no campaign 99"), (("1", "--format", "pdf"), "--format")],
    ("campaign", "resume"): [(("99",), "no campaign 99")],
    ("campaign", "retry"): [
        (("99", "--code", "-3"), "-3"),
        (("99",), "--code, --reason or --failed"),
        (("99", "--code", "0"), "0"),
        (("99", "--code", "-10"), "no campaign 99"),
        (("99999999999999999999", "--code", "-10"), "no campaign 9999"),
        (("99", "--code", "-99999"), "-99999"),
        (("99", "--code", "-10", "--reason", "x"), "--code, --reason or --failed"),
    ],
    ("campaign", "show"): [(("99",), "no campaign 99"), (("99999999999999999999",), "99999999999999999999")],
    ("campaign", "watch"): [(("99",), "no campaign 99"), (("1", "--timeout", "x"), "--timeout")],
    ("completion",): [((), "bash|zsh|fish"), (("csh",), "csh")],
    ("db", "move"): [(("x",), "not a database"), (("postgresql://h/d", "y"), "unexpected")],
    ("db", "restored"): [(("x",), "unexpected")],
    ("db", "upgrade"): [(("x",), "unexpected")],
    ("demo",): [(("--messages", "0"), "--messages"), (("--messages", "x"), "--messages")],
    ("doctor",): [(("x",), "unexpected")],
    ("help", "terms"): [(("zzz",), "zzz")],
    ("inbox", "export"): [(("--format", "xlsx"), "--output"), (("--format", "pdf"), "--format")],
    ("inbox", "list"): [(("--kind", "x"), "--kind"), (("--origen", "12"), "-7"), (("--limit", "0"), "--limit")],
    ("inbox", "pull"): [
        (("--origen", "4144445555"), "-12"),
        (("--transport", "smtp"), "--transport"),
        (("--transport", "soap"), "DISPATCHER_USUARIO"),
    ],
    ("inbox", "done"): [(("99",), "no reply 99"), ((), "ID")],
    ("inbox", "reply"): [(("99", "x"), "no reply 99"), (("x", "x"), "not a valid integer")],
    ("key", "create"): [
        ((ANA,), "--scope"),
        ((ANA, "--scope", "everything"), "--scope"),
        ((ANA, "--scope", "campaigns:read", "--expires", "tomorrow"), "expires"),
        ((ANA, "--scope", "campaigns:read", "--expires", "2020-01-01"), "expired"),
        ((ANA, "--scope", "campaigns:read", "--from", "x"), "network"),
    ],
    ("key", "list"): [(("x",), "unexpected")],
    ("key", "revoke"): [(("nothere1",), "nothere1")],
    ("nollame", "check"): [(("abc",), "-8")],
    ("nollame", "import"): [
        (("/nowhere.csv",), "/nowhere.csv"),
        (("GOOD", "--to-column", "x"), "x"),
        (("GOOD", "--taken", "ayer"), "--taken"),
    ],
    ("nollame", "show"): [(("x",), "unexpected")],
    ("optout", "add"): [(("12",), "-7"), (("11-4444-abcd",), "-8"), (("1500000000",), "-9"), (("4144445555",), "-12")],
    ("optout", "import"): [(("/nowhere.csv",), "/nowhere.csv"), (("GOOD", "--to-column", "x"), "x")],
    ("optout", "list"): [(("--limit", "0"), "--limit")],
    ("optout", "remove"): [(("abc",), "-8")],
    ("optout", "check"): [(("abc",), "-8")],
    ("retention",): [(("--days", "3"), "--days")],
    ("person", "show"): [(("abc",), "-8")],
    ("person", "erase"): [(("abc", "--reason", "x"), "-8"), (("1144445555", "--reason", " "), "Say why")],
    ("provider", "status"): [
        ((), "--idinterno or --fecha"),
        (("--fecha", "2026"), "YYYYMMDD"),
        (("--fecha", "20261332250000"), "--fecha"),
        (("--idinterno", "a b"), "--idinterno"),
    ],
    ("push",): [(("x",), "unexpected")],
    ("web",): [(("x",), "unexpected")],
    ("send",): [
        ((ANA,), "Missing argument"),
        ((ANA, "Hola", "--start", "mañana"), "start"),
        ((ANA, "Hola", "--idinterno", "a b"), "idinterno"),
        ((ANA, "Hola", "--transport", "fax"), "--transport"),
        ((ANA, "Hola", "--transport", "smtp"), "DISPATCHER_SMTP_URL"),
        ((ANA, "Hola", "--html", "GOOD"), "link"),
    ],
    ("undeliverable", "list"): [(("--limit", "0"), "--limit")],
    ("undeliverable", "remove"): [(("12",), "-7")],
    ("user", "create"): [(("ana",), "--role"), (("ana", "--role", "king"), "--role")],
    ("user", "disable"): [(("nobody",), "no user")],
    ("user", "enable"): [(("nobody",), "no user")],
    ("user", "link"): [(("nobody",), "no user")],
    ("user", "list"): [(("x",), "unexpected")],
    ("user", "role"): [(("nobody", "--role", "viewer"), "no user"), (("ana",), "--role")],
    ("up",): [(("x",), "unexpected")],
    ("webhook", "change"): [(("wh_1",), "no webhook wh_1"), (("wh_1", "--event", "x"), "--event")],
    ("webhook", "create"): [
        (("https://a.example",), "--event"),
        (("https://a.example", "--event", "x"), "--event"),
        (("http://8.8.8.8/", "--event", "ping"), "DISPATCHER_WEBHOOK_ALLOW"),
        (("https://10.0.0.1/", "--event", "ping"), "DISPATCHER_WEBHOOK_ALLOW"),
        (("https://u:p@a.example/", "--event", "ping"), "no user"),
    ],
    ("webhook", "delete"): [(("wh_1",), "no webhook wh_1")],
    ("webhook", "deliveries"): [(("wh_1",), "no webhook wh_1"), (("wh_1", "--state", "x"), "--state")],
    ("webhook", "disable"): [(("wh_1",), "no webhook wh_1")],
    ("webhook", "enable"): [(("wh_1",), "no webhook wh_1")],
    ("webhook", "list"): [(("x",), "unexpected")],
    ("webhook", "listen"): [(("--event", "x"), "--event"), (("--forward", "http://8.8.8.8/"), "cannot be used")],
    ("webhook", "replay"): [
        (("wh_1",), "--delivery"),
        (("wh_1", "--delivery", "1", "--since", "2026-01-01"), "--delivery"),
        (("wh_1", "--since", "yesterday"), "since"),
        (("wh_1", "--since", "2026-01-01"), "no webhook wh_1"),
    ],
    ("webhook", "rotate"): [(("wh_1",), "no webhook wh_1")],
    ("webhook", "show"): [(("wh_1",), "no webhook wh_1")],
    ("webhook", "test"): [(("wh_1",), "no webhook wh_1"), (("wh_1", "--timeout", "x"), "--timeout")],
}
"""Arguments that exit with 2, and what the sentence names."""

NASTY = ["", " ", "-1", "99999999999999999999", "\udcff", "x" * 20_000, "' OR 1=1 --", "{", "\u202e", "-"]


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `dispatcher … --json` in this process; its result and its one object."""
    monkeypatch.chdir(tmp_path)  # some of what is typed below names a file to write
    good = tmp_path / "lista.csv"
    good.write_text(f"telefono,nombre\n{ANA},Ana\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> tuple[Result, dict[str, Any]]:
        given = [str(good) if argument == "GOOD" else argument for argument in arguments]
        at = given.index("--") if "--" in given else len(given)
        done = CliRunner().invoke(cli, [*given[:at], "--json", *given[at:]], input="")
        crash = done.exception if not isinstance(done.exception, SystemExit) else None
        assert crash is None, (arguments[:6], repr(crash)[:300])
        lines = done.stdout.splitlines()
        return done, json.loads(lines[0]) if done.exit_code else {}

    return call


def test_every_command_is_in_the_table() -> None:
    assert set(CASES) == set(COMMANDS)


@pytest.mark.parametrize("path", CASES, ids=" ".join)
def test_bad_usage_is_a_sentence_that_names_it(path: Words, run: Any, simulator: SimulatorProcess) -> None:
    wrong = []
    for arguments, names in CASES[path]:
        done, told = run(*path, *arguments)
        if done.exit_code != 2 or names not in told.get("error", "") + (told.get("hint") or ""):
            wrong.append((arguments, done.exit_code, told))
    assert wrong == []
    assert list(simulator.posts()) == []


SERVERS = {("api",), ("up",), ("demo",)}
"""These run until they are told to stop: with good arguments there is nothing to see here."""


@pytest.mark.parametrize("path", [path for path in CASES if path not in SERVERS], ids=" ".join)
def test_nothing_that_can_be_typed_is_a_traceback(path: Words, run: Any, simulator: SimulatorProcess) -> None:
    """Each argument and option in turn gets each nasty value, the others a good one."""
    if path != ("campaign", "watch"):  # which would follow it to its end
        run("campaign", "create", "GOOD", "--template", "Hola")
    command = COMMANDS[path]
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if isinstance(p, click.Option) and not p.is_flag]
    for nasty in NASTY:
        for at in range(len(arguments)):
            given = [nasty if n == at else good_value(p) for n, p in enumerate(arguments)]
            check(run, (*path, *required(options), "--", *given))
        for option in options:
            given = [good_value(p) for p in arguments]
            check(run, (*path, *required(options), f"{option.opts[0]}={nasty}", "--", *given))


def required(options: list[click.Option]) -> list[str]:
    return [f"{option.opts[0]}={good_value(option)}" for option in options if option.required]


def good_value(parameter: click.Parameter) -> str:
    if isinstance(parameter.type, click.Choice):
        return str(parameter.type.choices[0])
    return {"file": "GOOD", "template": "Hola {nombre}", "number": ANA, "text": "Hola"}.get(str(parameter.name), "1")


def check(run: Any, arguments: Words) -> None:
    done, told = run(*arguments)
    assert done.exit_code in (0, 1, 2), (arguments, done.exit_code)
    if done.exit_code:
        said = told.get("error") or told.get("result_text") or told.get("state") or ""
        assert len(said) > 5, (arguments, told)
        assert APIKEY not in json.dumps(told)
