"""Commands answer fast: each imports what it needs, which a process of its own shows, and help imports nothing."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dispatcher.cli import cli
from dispatcher.cli.lazy import LazyGroup
from ops.demo import write_list
from tests.processes import ROOT, Cluster

HEAVY = {"polars", "zeep", "celery", "openpyxl", "alembic", "fastapi", "pyarrow", "numpy"}
# Help says what commands there are: it has no use for settings, a database or a provider either.
NOT_FOR_HELP = HEAVY | {
    "aiohttp",
    "uvicorn",
    "pyroaring",
    "requests",
    "pydantic",
    "sqlalchemy",
    "psycopg",
    "redis",
    "rich",
}

TOLD = """
import atexit, sys
from pathlib import Path
said = sys.argv.pop(1)
atexit.register(lambda: Path(said).write_text("\\n".join(sys.modules)))
from dispatcher.cli import main
main()
"""


def imported_by(environment: dict[str, str], told: Path, *arguments: str) -> set[str]:
    """The top-level packages that a command of its own process has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", TOLD, str(told), *arguments],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in told.read_text(encoding="utf-8").split()}


@pytest.mark.parametrize("arguments", [("--help",), ("campaign", "--help"), ("--version",)], ids=" ".join)
def test_help_imports_no_library_but_click(arguments: tuple[str, ...], tmp_path: Path) -> None:
    packages = imported_by({}, tmp_path / "modules", *arguments)
    assert "click" in packages
    assert packages & NOT_FOR_HELP == set()


def test_list_and_show_import_nothing_that_takes_long(
    environment: dict[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    path = tmp_path / "clientes.csv"
    write_list(path, 10)
    campaign_id = str(cluster.cli("campaign", "create", str(path), "--template", "Hola {nombre}")["campaign_id"])
    for arguments in (("campaign", "list"), ("campaign", "show", campaign_id)):
        packages = imported_by(environment, tmp_path / "modules", *arguments)
        assert "sqlalchemy" in packages
        assert packages & HEAVY == set(), arguments


def test_a_worker_has_imported_before_it_forks_what_its_tasks_use(environment: dict[str, str]) -> None:
    """What a child of the pool imports by itself costs each child the time and the memory."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys, workers.tasks; print(*sys.modules)"],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    modules = set(done.stdout.split())
    assert {"dispatcher.provider.http", "dispatcher.provider.unit"} <= modules, done.stderr
    assert "polars" not in modules, "polars starts threads, which no fork survives: the task imports it"


def lazy_groups(group: click.Group) -> Iterator[LazyGroup]:
    """The groups with a table, the command line itself among them."""
    if isinstance(group, LazyGroup):
        yield group
        for lazy in group.table.values():
            if isinstance(found := lazy.load(), click.Group):
                yield from lazy_groups(found)


@pytest.mark.parametrize("group", list(lazy_groups(cli)), ids=lambda group: group.name)
def test_the_table_s_short_help_is_the_command_s_own(group: LazyGroup) -> None:
    assert {name: lazy.help for name, lazy in group.table.items()} == {
        name: lazy.load().get_short_help_str(1_000) for name, lazy in group.table.items()
    }
    assert list(group.table) == sorted(group.table)
    assert {name: lazy.load().name for name, lazy in group.table.items()} == {name: name for name in group.table}


def test_every_command_of_the_campaign_s_modules_is_in_the_table() -> None:
    campaign = cli.get_command(click.Context(cli), "campaign")
    assert isinstance(campaign, LazyGroup)
    modules = {lazy.where.partition(":")[0] for lazy in campaign.table.values()}
    written = {
        each.name
        for module in modules
        for each in vars(importlib.import_module(module)).values()
        if isinstance(each, click.Command)
    }
    assert written == set(campaign.table)
