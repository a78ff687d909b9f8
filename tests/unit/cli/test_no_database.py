"""A command that only looks makes no database of its own: it says where it looked."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dispatcher.cli import cli

LOOKING = [
    ("campaign", "list"),
    ("campaign", "show", "1"),
    ("campaign", "results", "1"),
    ("campaign", "audit", "1"),
    ("optout", "list"),
]


@pytest.fixture(autouse=True)
def _another_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPATCHER_NO_DOTENV", raising=False)
    monkeypatch.delenv("DISPATCHER_HOME", raising=False)
    (tmp_path / ".env").write_text("DISPATCHER_HOME=elsewhere\n")


@pytest.mark.parametrize("arguments", LOOKING, ids=" ".join)
def test_a_command_that_looks_names_the_home_and_the_dotenv(arguments: tuple[str, ...], tmp_path: Path) -> None:
    found = CliRunner().invoke(cli, list(arguments), prog_name="dispatcher")
    assert found.exit_code == 2
    told = "".join(found.output.split())  # a terminal's lines break long paths
    assert f"{tmp_path / 'elsewhere'}hasnoembeddedone(settingsreadfrom{tmp_path / '.env'})" in told
    assert "`dispatcherup`" in told
    assert not (tmp_path / "elsewhere").exists()


def test_the_doctor_says_so_as_a_check(tmp_path: Path) -> None:
    found = CliRunner().invoke(cli, ["doctor", "--json"], prog_name="dispatcher")
    assert found.exit_code == 1
    (check,) = json.loads(found.stdout)["checks"]
    assert (check["name"], check["ok"]) == ("database", False)
    assert str(tmp_path / "elsewhere") in check["detail"]
    assert not (tmp_path / "elsewhere").exists()
