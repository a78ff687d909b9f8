"""A worker starts on a schema that it knows, and on no other."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from dispatcher.db import migrations
from tests.conftest import wait_until
from tests.processes import Cluster

HEAD = migrations.head_revision()

UNKNOWN = [
    ("missing", "DROP SCHEMA public CASCADE; CREATE SCHEMA public", "at migration none", "dispatcher db upgrade"),
    ("older", "UPDATE alembic_version SET version_num = '0000'", "at migration 0000", "dispatcher db upgrade"),
    ("newer", "UPDATE alembic_version SET version_num = '9002'", "at migration 9002", "Upgrade the dispatcher"),
    (
        "contracted",
        "UPDATE alembic_version SET version_num = '9002'; UPDATE migration_state SET revision = '9002', contracted = '9001'",
        "at migration 9002",
        "Upgrade the dispatcher",
    ),
]


@pytest.mark.parametrize(("statement", "found", "advice"), [case[1:] for case in UNKNOWN], ids=[c[0] for c in UNKNOWN])
def test_a_worker_ends_on_a_schema_that_it_does_not_know(
    cluster: Cluster, database_url: str, statement: str, found: str, advice: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(statement)
    cluster.worker()
    assert cluster.processes["worker"].wait(60) == 1
    words = [line for line in cluster.log().splitlines() if "migration" in line]
    assert len(words) == 1, cluster.log()
    assert f"The database is {found}, this version needs {HEAD}." in words[0]
    assert advice in words[0]
    assert "Traceback" not in cluster.log()


def test_a_worker_starts_on_what_a_later_version_has_only_expanded(cluster: Cluster, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9002'")
        connection.execute("UPDATE migration_state SET revision = '9002'")
    cluster.start()
    with psycopg.connect(database_url, autocommit=True) as connection:
        tick = "SELECT 1 FROM heartbeat WHERE name = 'tick'"
        wait_until(lambda: connection.execute(tick).fetchone(), 60, cluster.log())


def test_a_worker_waits_for_a_database_that_does_not_answer_and_takes_no_task_before(
    cluster: Cluster, database_url: str, tmp_path: Path
) -> None:
    """Its address leads to a folder where a socket appears later."""
    real = Path(database_url.partition("host=")[2])
    away = tmp_path / "s"
    away.mkdir()
    cluster.worker(DISPATCHER_DATABASE_URL=database_url.replace(str(real), str(away)))
    cluster.beat()
    wait_until(lambda: "database_awaited" in cluster.log(), 60)
    process: subprocess.Popen[bytes] = cluster.processes["worker"]
    assert process.poll() is None
    (away / ".s.PGSQL.5432").symlink_to(real / ".s.PGSQL.5432")
    with psycopg.connect(database_url, autocommit=True) as connection:
        tick = "SELECT 1 FROM heartbeat WHERE name = 'tick'"
        wait_until(lambda: connection.execute(tick).fetchone(), 60, "the worker works")
    assert "Traceback" not in cluster.log()


def test_a_worker_ends_when_nobody_but_an_operator_can_help(cluster: Cluster, database_url: str) -> None:
    url = make_url(database_url).set(database="nowhere")
    cluster.worker(DISPATCHER_DATABASE_URL=url.render_as_string(hide_password=False))
    assert cluster.processes["worker"].wait(60) == 1
    assert 'database "nowhere" does not exist' in cluster.log()
    assert "Traceback" not in cluster.log()


def test_a_worker_with_a_bad_setting_ends_with_a_sentence(cluster: Cluster) -> None:
    environment = {**cluster.environment, "DISPATCHER_DATABASE_URL": "mysql://h/d"}
    command = [sys.executable, "-m", "ops.worker", "submit"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("DISPATCHER_DATABASE_URL: ")
    assert "Traceback" not in done.stderr
