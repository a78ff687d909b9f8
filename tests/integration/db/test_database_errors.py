"""What a caller learns when the database fails in earnest: 503 and when to come back, or a sentence and exit code 1."""

import json
import logging
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
import requests
from click.testing import CliRunner
from psycopg import sql

from dispatcher.cli import cli
from dispatcher.db import bulk_copy
from dispatcher.db import engine as db_engine
from dispatcher.db.errors import DRIVER_ERRORS, sqlstate
from dispatcher.runtime import Runtime
from dispatcher.web import web_app
from ops.chaos import disk
from ops.embedded import Embedded
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness
from tests.integration.web.serving import make_key, serving
from tests.integration.web.test_push_app import GOOD

NUMBER = "1144445555"
PAYLOAD = {
    "template": "Hola {n}",
    "recipients": [{"telefono": NUMBER, "n": "Ana"}, {"telefono": "1144446666", "n": "José"}],
}


class Caller:
    """Every way in: both listeners, and the command line."""

    def __init__(
        self, url: str, push_url: str, key: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.url = url
        self.push_url = push_url
        self.key = {"Authorization": f"Bearer {key}"}
        self.environment = environment
        self.monkeypatch = monkeypatch

    def create(self, once: str = "k1", **changes: Any) -> requests.Response:
        headers = {**self.key, "Idempotency-Key": once}
        return requests.post(f"{self.url}/api/v1/campaigns", json={**PAYLOAD, **changes}, headers=headers, timeout=30)

    def show(self, number: int = 1) -> requests.Response:
        return requests.get(f"{self.url}/api/v1/campaigns/{number}", headers=self.key, timeout=30)

    def push(self) -> requests.Response:
        return requests.get(f"{self.push_url}/push/smsmasivos", params=GOOD, timeout=30)

    def cli(self, *arguments: str) -> tuple[int, Any]:
        for name, value in self.environment.items():
            self.monkeypatch.setenv(name, value)
        done = CliRunner().invoke(cli, [*arguments, "--json"], prog_name="dispatcher")
        return done.exit_code, json.loads(done.stdout)


def assert_to_come_back(answer: requests.Response) -> None:
    """503 in the caller's own form, with the time after which to try again."""
    assert answer.status_code == 503, (answer.status_code, answer.text)
    assert int(answer.headers["Retry-After"]) > 0
    assert len(answer.text) > 20


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


@pytest.fixture
def core(runtime: Runtime) -> CoreHarness:
    made = CoreHarness(runtime)
    assert made.account
    return made


@contextmanager
def calling(runtime: Runtime, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Caller]:
    key = make_key(runtime)
    with serving(runtime, web_app.create_app) as url, serving(runtime) as push_url:
        yield Caller(url, push_url, key, environment, monkeypatch)


@pytest.fixture
def caller(runtime: Runtime, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Caller]:
    with calling(runtime, environment, monkeypatch) as caller:
        yield caller


def fail_inserts(core: CoreHarness, table: str, raised: str) -> None:
    """Have every INSERT into a table raise."""
    core.do(f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {raised}; RETURN NEW; END $$")
    core.do(f"CREATE TRIGGER fail BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fail()")


def work_again(core: CoreHarness) -> None:
    core.do("DROP FUNCTION fail() CASCADE")


@pytest.fixture
def small_disk() -> Iterator[disk.Small]:
    """A disk that can be full."""
    if why := disk.missing():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="dispatcher-tests-") as folder:
        os.chmod(folder, 0o755)
        with disk.small(Path(folder) / "disk", megabytes=4) as small:
            yield small


def test_a_disk_that_is_full_during_copy_is_told_as_503_and_loads_when_there_is_room(
    caller: Caller, core: CoreHarness, small_disk: disk.Small, database_url: str
) -> None:
    owner = Path(database_url.partition("host=")[2]).stat()
    os.chown(small_disk.path, owner.st_uid, owner.st_gid)
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(small_disk.path))))
        try:
            admin.execute("ALTER TABLE message_1 SET TABLESPACE small")
            small_disk.fill()
            for _ in range(5):  # more often than a payload may end its worker
                assert_to_come_back(caller.create())
            assert core.one("SELECT count(*) FROM campaign") == 0
            small_disk.empty()
            answer = caller.create()
            assert (answer.status_code, answer.json()["state"]) == (201, "scheduled")
            assert core.statuses(answer.json()["campaign_id"]) == {"pending": 2}
        finally:
            small_disk.empty()
            admin.execute("ALTER TABLE message_1 SET TABLESPACE pg_default")
            admin.execute("DROP TABLESPACE small")


# What cannot be caused here for real is raised by the server itself, out of the statement that would meet it.
LATER = ["53100", "53200", "53300", "57P01", "40001", "40P01", "58030"]


@pytest.mark.parametrize("table", ["campaign_request", "message"])  # SQLAlchemy's statement, and a bare COPY
def test_every_shortage_of_the_server_is_told_as_503_whichever_driver_met_it(
    table: str, caller: Caller, core: CoreHarness
) -> None:
    for state in LATER:
        fail_inserts(core, table, f"RAISE 'out of something' USING ERRCODE = '{state}'")
        assert_to_come_back(caller.create(once=state))
        work_again(core)
    for state in LATER:
        assert caller.create(once=state).status_code == 201


def test_a_push_that_meets_a_full_disk_is_to_be_sent_again(caller: Caller, core: CoreHarness) -> None:
    fail_inserts(core, "reply", "RAISE 'No space left' USING ERRCODE = 'disk_full'")
    answer = caller.push()
    assert_to_come_back(answer)
    assert "send it again" in answer.text
    work_again(core)
    assert (caller.push().status_code, core.one("SELECT count(*) FROM reply")) == (200, 1)


def test_a_value_that_the_server_cannot_hold_is_the_callers_to_change(caller: Caller, core: CoreHarness) -> None:
    fail_inserts(core, "message", f"RAISE 'invalid byte sequence: \"{NUMBER}\"' USING ERRCODE = '22021'")
    answer = caller.create()
    assert answer.status_code == 422
    assert "Retry-After" not in answer.headers
    assert NUMBER not in answer.text
    assert caller.show(10**18).status_code == 404


def test_a_statement_that_takes_too_long_is_told_as_503(
    make_runtime: Callable[..., Runtime],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(db_engine._SETTINGS, "statement_timeout", "300")
    runtime = make_runtime()
    core = CoreHarness(runtime)
    assert core.account
    fail_inserts(core, "campaign_request", "PERFORM pg_sleep(5)")
    with calling(runtime, environment, monkeypatch) as caller:
        assert_to_come_back(caller.create())
        work_again(core)
        # A load may take longer than the limit of normal work.
        fail_inserts(core, "invalid_row", "PERFORM pg_sleep(0.5)")
        people = [*PAYLOAD["recipients"], {"telefono": "12", "n": "Corto"}]  # type: ignore[misc]
        assert caller.create(recipients=people).status_code == 201


def test_a_server_that_only_reads_is_told_as_503(caller: Caller, core: CoreHarness, database_url: str) -> None:
    name = sql.Identifier(str(core.engine.url.database))
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        core.engine.dispose()
        assert_to_come_back(caller.create())
        assert caller.show().status_code == 404
        code, told = caller.cli("optout", "add", NUMBER)
        assert code == 1
        assert told["error"].startswith("The database refused: cannot execute ")
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
    core.engine.dispose()
    assert caller.create().status_code == 201


def test_a_session_that_is_ended_in_the_middle_is_told_as_503_and_the_next_call_works(
    caller: Caller, core: CoreHarness, database_url: str
) -> None:
    with psycopg.connect(database_url) as other, ThreadPoolExecutor() as pool:
        other.execute("LOCK TABLE campaign_request IN EXCLUSIVE MODE")
        waiting = pool.submit(caller.create)
        stuck = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        (pid,) = wait_until(lambda: core.rows(stuck), 10)[0]
        core.do("SELECT pg_terminate_backend(:pid)", pid=pid)
        assert_to_come_back(waiting.result(20))
    assert caller.create().status_code == 201


def test_neither_answer_nor_log_holds_a_value(
    caller: Caller, core: CoreHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    detail = f"DETAIL = 'Failing row contains ({NUMBER}).'"
    for state in ("23505", "23514", "42P01", "53100", "22001"):
        fail_inserts(core, "optout", f"RAISE 'refused' USING ERRCODE = '{state}', {detail}")
        code, told = caller.cli("optout", "add", NUMBER)
        assert (code, told["error"]) == (1, "The database refused: refused")
        work_again(core)
        fail_inserts(core, "message", f"RAISE 'refused' USING ERRCODE = '{state}', {detail}")
        answer = caller.create(once=state)
        assert answer.status_code == (422 if state.startswith(("22", "23")) else 503)
        assert NUMBER not in answer.text
        work_again(core)
    ours = [record for record in caplog.records if record.name.startswith(("dispatcher", "uvicorn"))]
    assert {f"sqlstate={state}" in caplog.text for state in ("42P01", "53100")} == {True}
    assert [record for record in ours if NUMBER in logging.Formatter().format(record)] == []


def test_a_traceback_of_a_worker_holds_no_value_either(core: CoreHarness) -> None:
    """Tasks raise what the drivers raise, and Celery logs that."""
    core.do("INSERT INTO optout (destino, source) VALUES (:n, 'operator')", n=NUMBER)
    row = pl.DataFrame({"destino": [NUMBER], "source": ["operator"]})
    statement = "COPY optout (destino, source) FROM STDIN (FORMAT csv)"

    def twice() -> None:
        core.do("INSERT INTO optout (destino, source) VALUES (:n, 'operator')", n=NUMBER)

    def copied() -> None:
        with core.engine.begin() as connection:
            bulk_copy.copy_frame(connection, statement, row)

    def cast() -> None:
        core.do("SELECT CAST(CAST(:n AS text) AS date)", n=NUMBER)

    for fail in (twice, copied, cast):
        with pytest.raises(DRIVER_ERRORS) as caught:
            fail()
        assert sqlstate(caught.value) in ("23505", "22008", "22007")
        assert NUMBER not in "".join(traceback.format_exception(caught.value))


@pytest.fixture(scope="module")
def own_servers() -> Iterator[Embedded]:
    """A Postgres that a test may stop."""
    with tempfile.TemporaryDirectory(prefix="dispatcher-tests-", ignore_cleanup_errors=True) as folder:
        home = Embedded(Path(folder))
        with home.using(broker=False):
            yield home


def test_a_server_that_stops_is_told_on_every_way_in_and_served_again_when_it_is_back(
    own_servers: Embedded,
    make_runtime: Callable[..., Runtime],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = str(own_servers._state()["database_url"])
    runtime = make_runtime(database_url=address)
    with calling(runtime, {**environment, "DISPATCHER_DATABASE_URL": address}, monkeypatch) as caller:
        assert caller.create().status_code == 201
        own_servers.stop()
        for answer in (caller.create(once="k2"), caller.show(), caller.push()):
            assert_to_come_back(answer)
        assert requests.get(f"{caller.url}/healthz", timeout=10).status_code == 503
        code, told = caller.cli("campaign", "list")
        assert code == 1
        assert told["error"].startswith("The database does not answer: ")
        assert "DISPATCHER_DATABASE_URL" in told["hint"]
        own_servers.start(database=True, broker=False)
        assert caller.create(once="k2").status_code == 201
        assert caller.push().status_code == 200
