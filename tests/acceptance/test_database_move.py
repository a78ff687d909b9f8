"""`dispatcher db move`: from the embedded Postgres to another real one, and nothing is sent twice."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dispatcher.accounts import binding
from dispatcher.config import load
from dispatcher.runtime import Runtime
from dispatcher.sending import pump
from ops.simulator.process import SimulatorProcess

DISPATCHER = [sys.executable, "-m", "dispatcher"]


@pytest.fixture
def home(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The test's settings on an embedded database of their own, with a campaign in it."""
    ours = {name: value for name, value in environment.items() if name != "DISPATCHER_DATABASE_URL"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCHER_")}
    settings = {**kept, **ours}
    rows = tmp_path / "lista.csv"
    rows.write_text(
        "telefono;nombre\n" + "".join(f"11{20_000_000 + n};Ñandú {n}\n" for n in range(300)), encoding="utf-8"
    )
    run(settings, "campaign", "create", str(rows), "--template", "Hola {nombre}", "--not-on", "2020-01-01")
    return settings


@pytest.fixture
def target(database_url: str) -> Iterator[str]:
    """The URL of an empty database of another server."""
    parameters = conninfo_to_dict(database_url)
    name = "moved_here"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    host = str(parameters["host"]).replace("/", "%2F")
    yield f"postgresql://{parameters['user']}@/{name}?host={host}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run(settings: dict[str, str], *arguments: str, code: int = 0) -> dict[str, Any]:
    done = subprocess.run(
        [*DISPATCHER, *arguments, "--json"], env=settings, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    found = json.loads(done.stdout) if code == 0 else {"error": done.stderr + done.stdout}
    assert isinstance(found, dict)
    return found


def posts(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Send what is due, as a worker would."""
    for name, value in settings.items():
        if name.startswith("DISPATCHER_"):
            monkeypatch.setenv(name, value)
    runtime = Runtime(load())
    try:
        with runtime.engine.begin() as connection:
            account = binding.bind(connection, runtime.settings)
        pump.pump(runtime, account.id)
    finally:
        runtime.close()


def test_all_of_it_moves_and_only_the_new_one_sends(
    home: dict[str, str], target: str, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = run(home, "db", "move", target)
    assert moved["tables"]["message"] == 300
    assert moved["rows"] == sum(moved["tables"].values())
    there = {**home, "DISPATCHER_DATABASE_URL": target}
    shown = run(there, "campaign", "show", "1")
    assert (shown["messages"], shown["blocked"], shown["not_on"]) == (300, None, ["2020-01-01"])
    # The numbers go on where they were, and the texts are the same to the letter.
    with psycopg.connect(make_conninfo(target)) as connection:
        assert connection.execute("SELECT texto FROM message WHERE seq = 7").fetchone() == ("Hola Nandu 6",)
    assert "moved to another server" in str(run(home, "campaign", "show", "1")["blocked"])
    posts(there, monkeypatch)
    assert run(there, "campaign", "show", "1")["counts"] == {"submitted": 300}
    # Whoever starts the old one again sends nothing.
    posts(home, monkeypatch)
    assert run(home, "campaign", "show", "1")["counts"] == {"pending": 300}


def test_a_target_that_holds_anything_is_refused_and_the_old_one_goes_on(home: dict[str, str], target: str) -> None:
    with psycopg.connect(target) as connection:
        connection.execute("CREATE TABLE of_others (n int)")
    assert "The target is not empty" in run(home, "db", "move", target, code=2)["error"]
    assert run(home, "campaign", "show", "1")["blocked"] is None


def test_it_is_refused_while_somebody_works_on_the_database(home: dict[str, str], target: str) -> None:
    from ops.embedded import Embedded

    with Embedded(Path(home["DISPATCHER_HOME"])).using(broker=False) as addresses:
        assert addresses.database_url
        with psycopg.connect(addresses.database_url) as worker:
            worker.execute("SELECT 1")
            assert "in use by other sessions: 1" in run(home, "db", "move", target, code=1)["error"]
    with psycopg.connect(target) as connection:
        assert connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'message'").fetchone() == (0,)
    assert run(home, "campaign", "show", "1")["blocked"] is None


def test_a_copy_that_is_refused_half_way_changes_neither_side(home: dict[str, str], target: str) -> None:
    """The target has no room for this role: its transaction is taken back."""
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute("CREATE ROLE moved_reader LOGIN")
    try:
        as_reader = target.replace("postgresql://", "postgresql://moved_reader@", 1).replace(
            "moved_reader@postgres@", "moved_reader@"
        )
        assert "did not take the copy" in run(home, "db", "move", as_reader, code=1)["error"]
        with psycopg.connect(target) as connection:
            assert connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'message'").fetchone() == (0,)
        assert run(home, "campaign", "show", "1")["blocked"] is None
    finally:
        with psycopg.connect(target, autocommit=True) as connection:
            connection.execute("DROP ROLE moved_reader")
