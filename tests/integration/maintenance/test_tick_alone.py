"""Ticks never overlap, and one that hangs keeps the others out for half a minute at most."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from dispatcher.maintenance import host_clock
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.runtime import Runtime
from tests.integration.core_harness import CoreHarness

LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 1820"
"""0x71C, as the tick takes it."""


@contextmanager
def at_a_step(monkeypatch: pytest.MonkeyPatch, look: Callable[[], Any]) -> Iterator[list[Any]]:
    """Have the tick's last step look at something first; what it saw."""
    seen: list[Any] = []
    begun: list[bool] = []
    step = maintenance_tick._expire_singles

    def looking(connection: Connection, runtime: Runtime, account_id: int) -> None:
        if not begun:  # a tick inside `look` comes here too, if the lock does not keep it out
            begun.append(True)
            seen.append(look())
        step(connection, runtime, account_id)

    with monkeypatch.context() as patch:
        patch.setattr(maintenance_tick, "_expire_singles", looking)
        yield seen


def test_a_tick_holds_its_lock_through_every_step_and_gives_it_back(
    core: CoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert core.account
    core.load(10)
    with at_a_step(monkeypatch, lambda: (core.one(LOCKS), maintenance_tick.tick(core.runtime))) as seen:
        # The tick in the middle finds the lock taken, so it ends without a step and without a hint.
        outer = maintenance_tick.tick(core.runtime)
    ((held, inner),) = seen
    assert held == 1
    assert replace(inner, keep=False) == maintenance_tick.Hints(account_id=core.account.id)
    assert outer.submits > 0
    assert core.one(LOCKS) == 0
    assert maintenance_tick.tick(core.runtime).submits > 0


def test_a_tick_that_lost_its_lock_ends_well_and_the_next_one_has_it(
    core: CoreHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert core.account
    core.load(10)

    def end_session() -> object:
        # As Postgres itself does after half a minute.
        return core.rows(f"SELECT pg_terminate_backend(pid) FROM ({LOCKS.replace('count(*)', 'pid')}) AS holder")

    with at_a_step(monkeypatch, end_session) as seen:
        assert maintenance_tick.tick(core.runtime).submits > 0
    assert len(seen) == 1
    assert "tick_lock_lost" in caplog.text
    assert maintenance_tick.tick(core.runtime).submits > 0


def test_the_lock_s_session_is_one_that_postgres_ends_when_it_idles(core: CoreHarness) -> None:
    with core.engine.connect() as connection:
        assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one() == "30s"


def test_a_clock_that_is_minutes_from_the_database_s_is_an_error_once(
    core: CoreHarness, caplog: pytest.LogCaptureFixture
) -> None:
    def ahead() -> datetime:
        return datetime.now(UTC) + timedelta(minutes=6)

    with core.engine.connect() as connection:
        host_clock.compare(connection)
        assert "clock_differs" not in caplog.text
        for _ in range(3):
            host_clock.compare(connection, ahead)
        assert caplog.text.count("clock_differs host_minus_database=+360s") == 1
        host_clock.compare(connection)
        host_clock.compare(connection, ahead)
        assert caplog.text.count("clock_differs") == 2
        host_clock.compare(connection)


def test_a_worker_compares_clocks_when_it_starts_and_at_every_tick(
    core: CoreHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(host_clock, "_now", lambda: datetime.now(UTC) - timedelta(hours=1))
    monkeypatch.setattr(host_clock, "_said", False)
    host_clock.compare_now(core.settings)
    assert "clock_differs host_minus_database=-3600s" in caplog.text
    monkeypatch.setattr(host_clock, "_said", False)
    maintenance_tick.tick(core.runtime)
    assert caplog.text.count("clock_differs") == 2
