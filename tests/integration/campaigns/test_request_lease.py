"""The lease on a request: one process loads it, another takes over when that one stands still, and one commits."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DataError, OperationalError

from dispatcher.campaigns import loading, request_intake, request_loading
from dispatcher.maintenance import tick as maintenance_tick
from tests.conftest import wait_until
from tests.integration.campaigns.test_request_intake import campaigns_in, let_leases_run_out, payload, receive, request
from tests.integration.core_harness import CoreHarness
from tests.processes import ROOT

PEOPLE = [{"telefono": f"11{20_000_000 + n}", "n": f"x{n}"} for n in range(1000)]

_LOADER = """
import json, sys
from dispatcher import config
from dispatcher.campaigns import loading, request_intake, request_lease
from dispatcher.runtime import Runtime
request_lease.RENEW_EVERY = 0.2
real = loading.ingest
def slow(source, options, left_out, **more):
    for number, batch in enumerate(real(source, options, left_out, batch_rows=100, **more)):
        yield batch
        if number == 1:
            print("in the middle", flush=True)
            sys.stdin.readline()
loading.ingest = slow
runtime = Runtime(config.load())
print(request_intake.receive(runtime.engine, runtime.settings, json.loads(sys.argv[1])), flush=True)
"""


@contextmanager
def in_the_middle(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of its load; it goes on when a line is written to it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _LOADER, json.dumps(payload(recipients=PEOPLE))],
        env={**environment, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "in the middle\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def loader(core: CoreHarness, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    assert core.account
    with in_the_middle(environment) as process:
        yield process


def pending(core: CoreHarness) -> list[str]:
    """What a tick would have loaded, a minute after the request came."""
    core.do("UPDATE campaign_request SET updated_at = now() - interval '1 minute'")
    return maintenance_tick.tick(core.runtime).requests


def test_a_loader_that_stood_still_and_goes_on_commits_nothing_after_another_has_taken_over(
    core: CoreHarness, loader: subprocess.Popen[str]
) -> None:
    loader.send_signal(signal.SIGSTOP)
    let_leases_run_out(core)
    assert pending(core) == ["k1"]
    campaign = request_loading.load_request(core.engine, core.settings, "k1")
    assert campaign is not None
    loader.send_signal(signal.SIGCONT)
    told, _ = loader.communicate("go on\n", timeout=30)
    assert f"campaign_id={campaign}" in told, "it learns of the other's campaign"
    assert campaigns_in(core) == 1
    assert core.one("SELECT count(*) FROM message") == 1000
    assert request(core).campaign_id == campaign


def test_a_loader_of_the_first_campaign_that_stands_still_keeps_no_other_from_loading(
    core: CoreHarness, environment: dict[str, str]
) -> None:
    """Nothing has bound the account yet, and who makes its row locks it."""
    with in_the_middle(environment) as loader:
        loader.send_signal(signal.SIGSTOP)
        let_leases_run_out(core)
        assert request_loading.load_request(core.engine, core.settings, "k1") is not None
        loader.send_signal(signal.SIGCONT)
        loader.communicate("go on\n", timeout=30)
    assert campaigns_in(core) == 1


def test_while_its_holder_works_nobody_else_loads_a_request(core: CoreHarness, loader: subprocess.Popen[str]) -> None:
    first = request(core).lease_until
    wait_until(lambda: request(core).lease_until > first, 10, "the lease is renewed")
    assert pending(core) == []
    assert request_loading.load_request(core.engine, core.settings, "k1") is None
    loader.communicate("go on\n", timeout=30)
    row = request(core)
    assert (row.state, row.tries, row.holder, row.lease_until) == ("created", 1, None, None)
    assert campaigns_in(core) == 1


def test_a_holder_that_lost_its_lease_to_nobody_has_still_lost_it(
    core: CoreHarness, loader: subprocess.Popen[str]
) -> None:
    """Another process has it: what the holder reads and writes from then on counts for nothing."""
    core.do("UPDATE campaign_request SET holder = 'another', lease_until = now() + interval '20 seconds'")
    told, _ = loader.communicate("go on\n", timeout=30)
    assert "received" in told
    assert campaigns_in(core) == 0
    assert request(core).holder == "another"


def broken(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(loading, "load", load)


@pytest.mark.parametrize(
    "error", [OperationalError("COPY", {}, Exception("disk full")), psycopg.OperationalError("server closed")]
)
def test_an_outage_in_the_middle_is_no_try_and_the_payload_stays(
    core: CoreHarness, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert core.account
    with monkeypatch.context() as patched:
        broken(patched, error)
        for _ in range(5):
            with pytest.raises(type(error)):
                request_intake.receive(core.engine, core.settings, payload())
            assert request(core).state == "received"
    assert (request(core).tries, request(core).holder) == (0, None)
    assert pending(core) == ["k1"]
    assert receive(core, payload()) is not None


@pytest.mark.parametrize("error", [DataError("COPY", {}, psycopg.DataError("NUL")), psycopg.DataError("NUL")])
def test_a_list_that_the_database_can_never_hold_is_refused(
    core: CoreHarness, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert core.account
    broken(monkeypatch, error)
    assert receive(core, payload()) is None
    assert request(core).state == "refused"
    assert request(core).error


def test_a_bug_is_tried_three_times_and_given_up(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    assert core.account
    broken(monkeypatch, KeyError("x"))
    for _ in range(request_loading.MAX_TRIES):
        with pytest.raises(KeyError):
            receive(core, payload())
    assert receive(core, payload()) is None
    assert request(core).state == "failed"


def test_a_lease_written_before_the_clock_was_stepped_back_counts_no_more(core: CoreHarness) -> None:
    assert core.account
    core.do(
        "INSERT INTO campaign_request (idempotency_key, payload_hash, payload, state, holder, lease_until) "
        "VALUES ('k1', 'h', CAST(:p AS jsonb), 'received', 'x', now() + interval '1 day')",
        p=json.dumps(payload()),
    )
    assert pending(core) == ["k1"]
    assert request_loading.load_request(core.engine, core.settings, "k1") is not None
