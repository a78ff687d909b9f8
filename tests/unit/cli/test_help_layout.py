"""No help is cut or wider than the terminal, and each command shows an example."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from dispatcher.cli import cli


def every_command(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each command, groups too."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from every_command(inner, (*path, name))


def of_width(columns: int, path: tuple[str, ...]) -> str:
    """The help of a command in a terminal."""
    return CliRunner().invoke(cli, [*path, "--help"], prog_name="dispatcher", terminal_width=columns - 2).output


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
def test_no_help_is_cut_or_too_wide(path: tuple[str, ...], columns: int) -> None:
    lines = of_width(columns, path).splitlines()
    assert [line for line in lines if len(line) > columns] == []
    assert [line for line in lines if line.endswith("...") and not re.search(r"Usage:|ARGS\]", line)] == []


def test_an_example_that_does_not_fit_can_still_be_copied() -> None:
    said = of_width(60, ("campaign", "results"))
    joined = said.replace("\\\n", " ")
    assert "dispatcher campaign results 7 --status rejected --code -10 -o no_balance.csv" in " ".join(joined.split())
