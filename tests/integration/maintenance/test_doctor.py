"""The doctor answers in a few seconds, whatever hangs, and says what did."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyroaring import BitMap64

from dispatcher.config import Settings
from dispatcher.errors import DispatcherError
from dispatcher.maintenance import doctor
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.maintenance.doctor import Check, examine
from dispatcher.suppression import no_llame_import
from dispatcher.suppression.number_files import Unread
from ops.embedded import valkey_binary
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.contract.wire import wire
from tests.integration.core_harness import CoreHarness

NAMES = [
    "settings",
    "home",
    "database",
    "migrations",
    "account",
    "broker",
    "provider",
    "key",
    "clock",
    "clocks",
    "window",
    "worker",
    "beat",
    "due",
    "requests",
    "results",
    "replies",
    "webhooks",
    "nollame",
]
SILENT = "did not answer within 3 s"
OF_DATABASE = {
    "database",
    "migrations",
    "account",
    "clocks",
    "beat",
    "due",
    "requests",
    "results",
    "replies",
    "webhooks",
    "nollame",
}
OF_BROKER = {"broker", "worker"}
OF_PROVIDER = {"provider", "key", "clock"}


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that accepts connections and never says anything."""
    with wire(lambda peer: peer.hold()) as server:
        yield server.port


def silent(checks: list[Check]) -> set[str]:
    assert [check.name for check in checks] == NAMES
    assert not any(check.ok for check in checks if check.detail == SILENT)
    return {check.name for check in checks if check.detail == SILENT}


def at(kind: str, port: int) -> dict[str, Any]:
    """Settings by which this part of the set-up is the silent server."""
    return {
        "provider": {"provider_url": f"http://127.0.0.1:{port}", "provider_timeout": 60},
        "database": {"database_url": f"postgresql://u:p@127.0.0.1:{port}/d"},
        "redis": {"broker_url": f"redis://127.0.0.1:{port}/0"},
        "rabbitmq": {"broker_url": f"amqp://127.0.0.1:{port}//"},
    }[kind]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("provider", OF_PROVIDER), ("database", OF_DATABASE), ("redis", OF_BROKER), ("rabbitmq", OF_BROKER)],
)
def test_one_part_that_hangs_silences_its_own_checks_alone(
    make_settings: Callable[..., Settings], silent_port: int, kind: str, expected: set[str]
) -> None:
    settings = make_settings(**at(kind, silent_port))
    began = time.monotonic()
    checks = examine(settings)
    assert time.monotonic() - began < 5
    assert silent(checks) == expected


def test_the_command_ends_though_everything_hangs(environment: dict[str, str], silent_port: int) -> None:
    hanging = at("provider", silent_port) | at("database", silent_port) | at("redis", silent_port)
    settings = {f"DISPATCHER_{name.upper()}": str(value) for name, value in hanging.items()}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "dispatcher", "doctor", "--json"],
        env={**os.environ, **environment, **settings},
        capture_output=True,
        timeout=60,
    )
    assert time.monotonic() - began < 20, "most of it is the start of Python on a busy machine"
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"]) == (1, False)
    assert silent([Check(**check) for check in answer["checks"]]) == OF_DATABASE | OF_BROKER | OF_PROVIDER


def checks_of(core: CoreHarness) -> dict[str, Check]:
    return {check.name: check for check in examine(core.settings)}


def test_a_whole_set_up_passes_but_for_the_worker_that_is_not_there(core: CoreHarness) -> None:
    assert core.account
    maintenance_tick.tick(core.runtime)
    checks = checks_of(core)
    assert [check.name for check in checks.values() if not check.ok] == ["worker"], checks
    assert "No worker answers" in checks["worker"].detail
    assert "seen 0 s ago" in checks["beat"].detail or "seen 1 s ago" in checks["beat"].detail


def test_marketing_that_goes_out_by_an_old_registry_is_told(core: CoreHarness) -> None:
    def register(days: int) -> None:
        taken = datetime.now(UTC) - timedelta(days=days, minutes=1)
        with core.engine.begin() as connection:
            no_llame_import.replace(connection, BitMap64([1]), Unread(), "x", taken, force=True)

    assert "WARNING" in doctor._no_llame(core.engine)
    campaign = core.load(2, intent="marketing")
    check = checks_of(core)["nollame"]
    assert (check.ok, "There is no No Llame registry" in check.detail) == (False, True)
    register(25)
    with pytest.raises(DispatcherError, match="25 days old"):
        doctor._no_llame(core.engine)
    register(24)
    assert doctor._no_llame(core.engine) == "1 numbers, 24 days old"
    register(30)
    core.do("UPDATE campaign SET state = 'cancelled' WHERE id = :id", id=campaign)
    assert "30 days old; WARNING" in doctor._no_llame(core.engine)


def test_beat_that_stopped_is_told(core: CoreHarness) -> None:
    assert "No tick of beat was run yet" in checks_of(core)["beat"].detail
    maintenance_tick.tick(core.runtime)
    core.do("UPDATE heartbeat SET at = at - interval '31 seconds'")
    beat = checks_of(core)["beat"]
    assert not beat.ok
    assert "No tick of beat was run for 3" in beat.detail


def test_a_provider_whose_clock_is_off_is_named(
    make_core: Callable[..., CoreHarness], simulator: SimulatorProcess
) -> None:
    core = make_core(clock_limit=600)
    simulator.set_clock(offset=660)
    clocks = checks_of(core)["clocks"]
    assert not clocks.ok
    assert clocks.detail.startswith("The provider's clock is off")


def test_a_machine_whose_clock_is_off_is_named(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(UTC) + timedelta(minutes=6)

    monkeypatch.setattr(doctor, "datetime", Ahead)
    clocks = checks_of(core)["clocks"]
    assert not clocks.ok
    assert clocks.detail.startswith("This machine's clock is off")
    assert "the database is -36" in clocks.detail
    assert "the provider -36" in clocks.detail or "the provider -35" in clocks.detail


def test_without_the_provider_the_other_two_clocks_are_compared(
    make_settings: Callable[..., Settings], silent_port: int
) -> None:
    checks = {check.name: check for check in examine(make_settings(**at("provider", silent_port)))}
    assert checks["clocks"].ok
    assert "the provider not known" in checks["clocks"].detail


def test_a_redis_that_was_demoted_is_named(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    options = ["--port", str(port), "--replicaof", "127.0.0.1 1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen([valkey_binary(), *options], stdout=subprocess.DEVNULL) as replica:
        try:
            settings = make_settings(broker_url=f"redis://127.0.0.1:{port}/0")
            wait_until(lambda: "refused" not in (found := _broker_check(settings)).detail and found, 10)
            assert _broker_check(settings) == Check(
                "broker",
                False,
                "The Redis is a slave: it takes no tasks. "
                "Point DISPATCHER_BROKER_URL at the primary, or promote this one.",
            )
        finally:
            replica.kill()


def _broker_check(settings: Settings) -> Check:
    return next(check for check in examine(settings) if check.name == "broker")


def test_a_check_that_fails_on_the_database_says_it_in_our_words(core: CoreHarness) -> None:
    core.do("ALTER TABLE heartbeat RENAME TO elsewhere")
    found = checks_of(core)["beat"]
    assert (found.ok, found.detail) == (
        False,
        'The database refused: relation "heartbeat" does not exist',
    )
