"""Nobody waits for a clock tick that can be helped: the first pump, the first poll, a connection that was used just now."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.results import polling
from dispatcher.results.polling import Poller
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness

Make = Callable[..., CoreHarness]


def test_the_first_tick_hints_a_pump_that_measures_the_clock_itself(
    core: CoreHarness, simulator: SimulatorProcess
) -> None:
    campaign = core.load(10)
    core.do("UPDATE account SET clock_low_ms = NULL, clock_high_ms = NULL, clock_measured_at = NULL")
    hints = maintenance_tick.tick(core.runtime)
    assert (hints.submits, hints.clock) == (1, False)
    sending_pump.pump(core.runtime, core.account.id)
    assert core.states(campaign) == ["accepted"]


def test_without_anything_due_the_tick_has_the_clock_measured(core: CoreHarness) -> None:
    assert core.account
    core.do("UPDATE account SET clock_low_ms = NULL, clock_high_ms = NULL, clock_measured_at = NULL")
    hints = maintenance_tick.tick(core.runtime)
    assert (hints.submits, hints.clock) == (0, True)


def test_one_run_of_the_poller_waits_for_results_that_take_a_moment(
    core: CoreHarness, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.set_option(delay_min=1.2, delay_max=1.2)
    campaign = core.load(10)
    sending_pump.pump(core.runtime, core.account.id)
    assert core.states(campaign) == ["accepted"]
    Poller(core.runtime, core.account).run()
    assert core.statuses(campaign) == {"ok": 10}


def test_the_poller_does_not_wait_for_ever(core: CoreHarness, simulator: SimulatorProcess) -> None:
    simulator.set_option(delay_min=3600, delay_max=3600)
    core.load(10)
    sending_pump.pump(core.runtime, core.account.id)
    assert not Poller(core.runtime, core.account).run()
    row = core.account_row()
    assert row.poll_misses == polling.PATIENT_MISSES + 1
    assert row.poll_lease_until is None


@pytest.mark.parametrize("idle", [0.0, 1.2], ids=["used just now", "idle"])
def test_a_connection_that_the_server_ended_is_replaced(core: CoreHarness, idle: float) -> None:
    ended = core.one("SELECT pg_backend_pid()")
    with core.engine.connect() as other:
        # Held, so that the second one is another; given back just before it is ended.
        assert other.exec_driver_sql("SELECT pg_backend_pid()").scalar() == ended
        # Autocommit: within one transaction pg_stat_activity shows what it showed first.
        with core.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as killer:
            killer.exec_driver_sql("SELECT 1")
            other.close()
            killer.exec_driver_sql(f"SELECT pg_terminate_backend({ended})")

            def gone() -> bool:
                killer.rollback()  # within one transaction the view does not change
                query = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {ended}"
                return bool(killer.exec_driver_sql(query).scalar() == 0)

            wait_until(gone, 10)
            time.sleep(idle)
            assert core.one("SELECT pg_backend_pid()") != ended


@pytest.mark.parametrize("broker", [None, "redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_a_hint_that_nobody_takes_changes_nothing(broker: str | None, tmp_path: Path) -> None:
    """The campaign stands by then: a command that failed now would make somebody create it again."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCHER_")}
    variables |= {"DISPATCHER_NO_DOTENV": "1", "DISPATCHER_HOME": str(tmp_path)}
    if broker:
        variables["DISPATCHER_BROKER_URL"] = broker
    subprocess.run(
        [sys.executable, "-c", "from dispatcher.cli import ops_loader; ops_loader.hint()"],
        env=variables,
        check=True,
        timeout=30,
    )
