"""Completion in the shells that people use."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from dispatcher.cli import cli


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    made = CliRunner().invoke(cli, ["completion", shell])
    assert made.exit_code == 0, made.output
    assert f"_DISPATCHER_COMPLETE={shell}_complete" in made.stdout


def test_the_script_is_bash_and_commands_are_completed() -> None:
    script = CliRunner().invoke(cli, ["completion", "bash"]).stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    asked = {
        **os.environ,
        "COMP_WORDS": "dispatcher campaign wa",
        "COMP_CWORD": "2",
        "_DISPATCHER_COMPLETE": "bash_complete",
    }
    program = "import sys; sys.argv[0] = 'dispatcher'; from dispatcher.cli import main; main()"
    told = subprocess.run([sys.executable, "-c", program], env=asked, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["plain,watch"]
