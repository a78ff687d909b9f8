"""Through PgBouncer in transaction mode: a session is only as long as a transaction, and nothing crosses over."""

import csv
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dispatcher.campaigns import audit, export, operator_actions, request_intake
from dispatcher.db import engine as db_engine
from dispatcher.db import migrations
from dispatcher.runtime import Runtime
from dispatcher.sending import claims
from dispatcher.sending.claims import Claim
from dispatcher.suppression import optouts
from tests.integration.core_harness import CoreHarness
from tests.integration.db import pgbouncer
from tests.integration.db.later_release import ADD_COLUMN, ADD_INDEX, LaterRelease

THREADS = 6


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own folder, which the server's user may not enter."""
    with tempfile.TemporaryDirectory(prefix="dispatcher-tests-") as name:
        yield Path(name)


@pytest.fixture
def pooled_url(database_url: str, folder: Path) -> Iterator[str]:
    with pgbouncer.running(database_url, folder) as url:
        yield url


@pytest.fixture
def make_pooled(make_runtime: Callable[..., Runtime], pooled_url: str) -> Callable[..., CoreHarness]:
    """A core of its own, as another process has it: each finds out by itself that its sessions are pooled."""

    def make(**changes: Any) -> CoreHarness:
        return CoreHarness(make_runtime(database_url=pooled_url, chunk_size=10, concurrency=64, **changes))

    return make


def found_out(url: str, pooled: bool | None = None) -> bool:
    """What an engine takes its sessions for."""
    engine = db_engine.connect(url, pooled=pooled)
    try:
        with engine.connect() as connection:
            return db_engine.is_pooled(connection)
    finally:
        engine.dispose()


def test_a_pooler_is_found_out_whether_it_refuses_our_settings_or_drops_them(database_url: str, folder: Path) -> None:
    assert not found_out(database_url)
    with pgbouncer.running(database_url, folder) as url:
        assert found_out(url)
        assert found_out(url, pooled=True)
        with pytest.raises(Exception, match="unsupported startup parameter: options"):
            found_out(url, pooled=False)
    with pgbouncer.running(database_url, folder, ignored="options") as url:
        assert found_out(url)
        assert not found_out(url, pooled=False)  # who says so is believed
    assert found_out(database_url, pooled=True)


def test_every_transaction_has_our_settings_and_leaves_none_behind(
    make_pooled: Callable[..., CoreHarness], pooled_url: str
) -> None:
    core = make_pooled()
    names = [*db_engine._SETTINGS, "application_name"]
    wanted = {
        "timezone": "UTC",
        "idle_in_transaction_session_timeout": "30s",
        "lock_timeout": "20s",
        "statement_timeout": "1min",
        "jit": "off",
    }
    for _ in range(5):
        with core.engine.connect() as connection:
            found = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names}
        assert found == {**wanted, "application_name": "dispatcher"}
        with psycopg.connect(pooled_url, autocommit=True) as other:
            assert other.execute("SHOW statement_timeout").fetchone() == ("0",)


def work(core: CoreHarness) -> Counter[int]:
    """Claim, accept and settle until nothing is due; the attempts by chunk."""
    claimed: Counter[int] = Counter()
    while True:
        claim = core.try_claim()
        if not isinstance(claim, Claim):
            if "nothing is due" in str(claim):
                return claimed
            continue
        claimed[claim.chunk_id] += 1
        assert claims.finish_accepted(core.engine, claim) in ("accepted", "settled")
        first = core.chunk(claim).first_seq
        references = [core.reference(claim.campaign_id, seq) for seq in range(first, first + claim.lines)]
        core.settle(*((reference, "OK") for reference in references))


def test_claims_settles_and_loads_side_by_side_do_not_touch_each_other(make_pooled: Callable[..., CoreHarness]) -> None:
    cores = [make_pooled() for _ in range(THREADS)]
    assert all(core.account for core in cores)
    first = [cores[0].load(300, template=f"Hola {{n}} {number}") for number in range(2)]
    with ThreadPoolExecutor(2 * THREADS) as pool:
        working = [pool.submit(work, core) for core in cores]
        loading = [
            pool.submit(partial(make_pooled().load, 200, template=f"Otra {{n}} {number}")) for number in range(THREADS)
        ]
        loaded = [future.result(120) for future in loading]
        claimed = sum((future.result(120) for future in working), Counter[int]())
        claimed += work(cores[0])
    core = cores[0]
    assert set(claimed.values()) == {1}
    assert sum(claimed.values()) == core.one("SELECT count(*) FROM chunk")
    for campaign in [*first, *loaded]:
        assert core.state(campaign) == "completed"
        assert core.statuses(campaign) == {"ok": core.one("SELECT messages FROM campaign WHERE id = :id", id=campaign)}
        core.check_sums(campaign)
        texts = core.one(
            "SELECT count(DISTINCT split_part(texto, ' ', 1) || split_part(texto, ' ', 3)) FROM message WHERE campaign_id = :id",
            id=campaign,
        )
        assert texts == 1


def test_ten_callers_with_one_key_make_one_campaign(make_pooled: Callable[..., CoreHarness]) -> None:
    cores = [make_pooled() for _ in range(5)]
    assert cores[0].account
    people = [{"telefono": f"11{20_000_000 + n}", "n": str(n)} for n in range(500)]
    raw = {"idempotency_key": "k", "template": "Hola {n}", "recipients": people}
    with ThreadPoolExecutor(10) as pool:
        outcomes = list(
            pool.map(lambda n: request_intake.receive(cores[n % 5].engine, cores[n % 5].settings, raw), range(10))
        )
    assert {outcome.state for outcome in outcomes} <= {"created", "received"}
    assert cores[0].one("SELECT count(*) FROM campaign") == 1
    assert request_intake.receive(cores[0].engine, cores[0].settings, raw).state == "created"


def test_exports_audits_and_decisions_work(make_pooled: Callable[..., CoreHarness], tmp_path: Path) -> None:
    core = make_pooled()
    with core.engine.begin() as connection:
        optouts.add(connection, "1120000000", source="operator", reason=None)
    campaign = core.load(30)
    core.send()
    core.settle(*((core.reference(campaign, seq), "OK") for seq in range(2, 8)))
    for kind in ("csv", "jsonl", "xlsx"):
        assert export.write_results(core.engine, campaign, kind, tmp_path / kind) == 30
    with (tmp_path / "csv").open(encoding="utf-8-sig") as stream:
        assert Counter(row["status"] for row in csv.DictReader(stream, delimiter=";"))["suppressed"] == 1
    with core.engine.connect() as connection:
        assert audit.audit(connection, campaign).balanced
    assert operator_actions.restored(core.engine)["campaigns"] == [campaign]


def test_the_schema_is_upgraded_through_it(
    make_pooled: Callable[..., CoreHarness], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = LaterRelease(tmp_path / "later")
    monkeypatch.setattr(migrations, "FOLDERS", [*migrations.FOLDERS, later.folder])
    base = migrations.head_revision()
    later.add(ADD_COLUMN)
    last = later.add(ADD_INDEX)
    core = make_pooled()
    began = time.monotonic()
    assert migrations.upgrade(core.engine) == (base, last)
    assert time.monotonic() - began < 30
    assert core.load(10)
    assert core.one("SELECT count(*) FROM pg_indexes WHERE indexname = 'chunk_by_state'") == 1
