"""Upgrading a database that is in use: by one process at a time, in two phases, and nobody waits for it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from dispatcher.db import engine as db_engine
from dispatcher.db import migration_lease, migration_run, migrations
from dispatcher.db.migration_lease import LeaseLost, MigrationLease
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.sending import claims
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness
from tests.integration.db.later_release import ADD_COLUMN, ADD_INDEX, DROP_COLUMN, LaterRelease
from tests.processes import ROOT

BASE = migrations.head_revision()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = db_engine.connect(database_url)
    yield made
    made.dispose()


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LaterRelease:
    """This code is of a later release, whose migrations the test adds."""
    release = LaterRelease(tmp_path / "later")
    monkeypatch.setattr(migrations, "FOLDERS", [*migrations.FOLDERS, release.folder])
    return release


def value(engine: Engine, statement: str) -> Any:
    """Run a statement and commit; its first value, if it has any."""
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None


def has_note(engine: Engine) -> bool:
    query = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'campaign' AND column_name = 'note'"
    return bool(value(engine, query))


def state(engine: Engine) -> tuple[Any, ...]:
    with engine.connect() as connection:
        row = connection.execute(text("SELECT holder, lease_until, revision, contracted FROM migration_state")).one()
        return tuple(row)


# -- phases, and who may run ---------------------------------------------------------------------------------------


def test_a_release_expands_first_and_contracts_when_the_version_before_is_gone(
    engine: Engine, later: LaterRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = later.add(ADD_COLUMN)
    dropped = later.add(DROP_COLUMN, phase="post")
    new, old = list(migrations.FOLDERS), migrations.FOLDERS[:-1]

    def may_run(folders: list[Path]) -> bool:
        monkeypatch.setattr(migrations, "FOLDERS", folders)
        try:
            migrations.require_schema(engine)
        except UsageError:
            return False
        return True

    assert (may_run(old), may_run(new)) == (True, False)
    assert migrations.upgrade(engine, "pre") == (BASE, added)
    assert has_note(engine)
    assert (may_run(old), may_run(new)) == (True, True)
    assert migrations.upgrade(engine) == (added, dropped)
    assert not has_note(engine)
    assert (may_run(old), may_run(new)) == (False, True)
    assert state(engine) == (None, None, dropped, dropped)
    # What an old version's `db upgrade` finds is newer than all it knows: it leaves that alone.
    monkeypatch.setattr(migrations, "FOLDERS", old)
    assert migrations.upgrade(engine) == (dropped, dropped)


def test_a_schema_that_nothing_is_known_of_is_refused(engine: Engine) -> None:
    for number, hint in ((None, "db upgrade"), ("0000", "db upgrade"), ("9999", "Upgrade the dispatcher")):
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM alembic_version"))
            if number:
                connection.execute(text("INSERT INTO alembic_version VALUES (:n)"), {"n": number})
        with pytest.raises(UsageError, match=f"at migration {number or 'none'}, this version needs {BASE}") as caught:
            migrations.require_schema(engine)
        assert hint in str(caught.value.hint)
    value(engine, "UPDATE alembic_version SET version_num = '9999'")
    value(engine, "DROP TABLE migration_state")
    with pytest.raises(UsageError):
        migrations.require_schema(engine)


def test_a_database_without_the_record_gets_it(engine: Engine) -> None:
    value(engine, "DROP TABLE migration_state")
    migrations.require_schema(engine)
    assert migrations.upgrade(engine) == (BASE, BASE)
    assert state(engine) == (None, None, BASE, None)


# -- one process at a time -----------------------------------------------------------------------------------------

_UPGRADE = """
import sys
from pathlib import Path
from dispatcher.db import engine, migration_lease, migrations
migrations.FOLDERS.append(Path(sys.argv[2]))
migration_lease.LEASE_SECONDS, migration_lease._RENEW_SECONDS = 3.0, 0.5
print(*migrations.upgrade(engine.connect(sys.argv[1])), flush=True)
"""


def start_upgrade(url: str, later: LaterRelease) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _UPGRADE, url, str(later.folder)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str], seconds: float = 60) -> str:
    words, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0
    return words.strip()


def test_three_at_once_run_each_migration_once(engine: Engine, later: LaterRelease, database_url: str) -> None:
    value(engine, "CREATE TABLE ran (number int)")
    for number in (1, 2):
        last = later.add(f'op.execute("INSERT INTO ran VALUES ({number})"); op.execute("SELECT pg_sleep(0.5)")')
    answers = [answer(process) for process in [start_upgrade(database_url, later) for _ in range(3)]]
    assert sorted(answers) == [f"{BASE} {last}", f"{last} {last}", f"{last} {last}"]
    assert value(engine, "SELECT array_agg(number ORDER BY number) FROM ran") == [1, 2]
    assert state(engine) == (None, None, last, None)


def test_when_its_process_is_killed_in_the_middle_another_takes_over(
    engine: Engine, later: LaterRelease, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "once").touch()
    sleep_once = (
        f'os.path.exists("{tmp_path}/once") and (os.unlink("{tmp_path}/once"), op.execute("SELECT pg_sleep(300)"))'
    )
    last = later.add(f"{ADD_COLUMN}; {sleep_once}")
    first = start_upgrade(database_url, later)
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(300)' AND state = 'active'"
    wait_until(lambda: value(engine, asleep) == 1, 30)
    second = start_upgrade(database_url, later)
    assert f" {first.pid} " in value(engine, "SELECT holder FROM migration_state")
    first.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    assert answer(second) == f"{BASE} {last}"
    assert time.monotonic() - killed < 30  # the lease of 3 s, and the server's own look for its client
    assert first.wait(5) == -signal.SIGKILL
    assert first.stdout
    first.stdout.close()
    assert has_note(engine)
    assert value(engine, asleep) == 0


def test_who_lost_the_lease_commits_nothing(engine: Engine, later: LaterRelease) -> None:
    later.add(f"""{ADD_COLUMN}; op.execute("UPDATE migration_state SET holder = 'another'")""")
    with pytest.raises(LeaseLost):
        migrations.upgrade(engine)
    assert not has_note(engine)
    with engine.connect() as connection:
        assert migrations.current_revision(connection) == BASE


def test_a_lease_is_renewed_while_it_is_held_and_left_when_it_is_not(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_lease, "_RENEW_SECONDS", 0.05)
    monkeypatch.setattr(migration_lease, "_LOOK_SECONDS", 0.05)
    until = "SELECT lease_until FROM migration_state"
    with MigrationLease(engine) as lease:
        first = value(engine, until)
        wait_until(lambda: value(engine, until) > first, 10)
        assert not MigrationLease(engine)._take()
        # A clock that is stepped back leaves an end that no lease could have.
        value(
            engine,
            f"UPDATE migration_state SET holder = '{lease.holder}x', lease_until = now() + interval '1 day'",
        )
        with MigrationLease(engine) as other, engine.begin() as connection:
            other.assert_held(connection)
            with pytest.raises(LeaseLost):
                lease.assert_held(connection)
    assert state(engine)[:2] == (None, None)


# -- locks ---------------------------------------------------------------------------------------------------------


def test_a_lock_that_is_not_had_is_told_and_nothing_is_changed(
    engine: Engine, later: LaterRelease, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_run, "TRIES", 2)
    monkeypatch.setattr(migration_run, "_PAUSE_SECONDS", (0.1,))
    last = later.add(ADD_COLUMN)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT count(*) FROM campaign")
        began = time.monotonic()
        with pytest.raises(DispatcherError, match=f"Migration {last} did not get a lock"):
            migrations.upgrade(engine)
        assert 2 * migration_run.LOCK_SECONDS <= time.monotonic() - began < 15
    assert not has_note(engine)
    assert state(engine) == (None, None, BASE, None)
    assert migrations.upgrade(engine) == (BASE, last)


def test_an_index_whose_building_was_interrupted_is_built_anew(engine: Engine, later: LaterRelease) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("INSERT INTO heartbeat VALUES ('a', now()), ('b', now())")
        with pytest.raises(Exception, match="division by zero"):
            connection.exec_driver_sql("CREATE INDEX CONCURRENTLY beats ON heartbeat ((1 / (length(name) - 1)))")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'beats'::regclass"
    assert value(engine, valid) is False
    last = later.add('create_index("beats", "heartbeat", ["at"])')
    assert migrations.upgrade(engine) == (BASE, last)
    assert value(engine, valid) is True
    assert "(at)" in value(engine, "SELECT indexdef FROM pg_indexes WHERE indexname = 'beats'")


class Load:
    """Claims and settles one after the other in threads of their own, until told to stop, with the time of each."""

    def __init__(self, core: CoreHarness, campaign: int) -> None:
        self.core = core
        self.campaign = campaign
        self.claims: list[float] = []
        self.settles: list[float] = []
        self.failures: list[BaseException] = []
        self.references = [core.reference(campaign, seq) for seq in range(1, 2001)]
        self._ended = Event()
        self._threads = [Thread(target=self._run, args=(one,)) for one in (self._claim, self._claim, self._settle)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, one: Callable[[], None]) -> None:
        try:
            while not self._ended.is_set():
                one()
        except BaseException as error:
            self.failures.append(error)

    def _claim(self) -> None:
        began = time.monotonic()
        claim = self.core.try_claim()
        self.claims.append(time.monotonic() - began)
        if isinstance(claim, claims.Claim):
            claims.finish_accepted(self.core.engine, claim)
            # There is always a chunk to claim.
            self.core.do(
                "UPDATE chunk SET state = 'due', accepted_at = NULL, posted_at = NULL WHERE id = :id "
                "AND state = 'accepted'",
                id=claim.chunk_id,
            )

    def _settle(self) -> None:
        number = len(self.settles) % len(self.references)
        began = time.monotonic()
        self.core.settle((self.references[number], "OK"))
        self.settles.append(time.monotonic() - began)


def test_a_campaign_goes_on_while_its_database_is_migrated(
    make_core: Callable[..., CoreHarness], later: LaterRelease, database_url: str
) -> None:
    """A column and an index come while claims, settles and a long load hold the same tables."""
    core = make_core(chunk_size=10, concurrency=8)
    campaign = core.load(20_000)
    later.add(ADD_COLUMN)
    last = later.add(ADD_INDEX)
    done: list[Any] = []
    upgrading = Thread(target=lambda: done.append(migrations.upgrade(core.engine)))
    with Load(core, campaign) as load:
        wait_until(lambda: len(load.claims) > 50 and len(load.settles) > 10, 30)
        with psycopg.connect(database_url) as loading:
            # As a load does: it keeps its locks until it commits.
            loading.execute("LOCK TABLE campaign, chunk, message IN ROW EXCLUSIVE MODE")
            upgrading.start()
            waited = "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
            for _ in range(2):  # it gives way, and comes again
                wait_until(lambda: core.rows(waited), 20)
                wait_until(lambda: not core.rows(waited), 20)
        upgrading.join(60)
        during = len(load.claims)
        wait_until(lambda: len(load.claims) > during + 50, 30)
    assert load.failures == []
    assert done == [(BASE, last)]
    assert max(load.claims) < 3.0
    assert max(load.settles) < 3.0 * 3  # a settle takes several locks, one after the other
    core.check_sums(campaign)
