"""Fixtures of the command line's tests."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dispatcher.cli import cli
from tests.integration.cli.commands import GOOD, Run


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
