"""A provider's clock that is far from ours sends nothing, and ends nothing, until it is right again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.accounts import provider_clock
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import ProviderError
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.sending import claims
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness


@pytest.fixture
def core(make_core: Callable[..., CoreHarness]) -> CoreHarness:
    """A core as in production: a clock is believed up to ten minutes from ours."""
    return make_core(chunk_size=10, clock_limit=600)


def local(ahead: timedelta) -> str:
    return f"{datetime.now(PROVIDER_ZONE) + ahead:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize("at", ["2040-05-05 12:00:00", "2011-05-05 12:00:00"])
def test_a_clock_of_another_year_sends_nothing_until_it_is_right_again(
    core: CoreHarness, simulator: SimulatorProcess, at: str
) -> None:
    hour = timedelta(hours=1)
    campaign = core.load(20, start=local(hour), expires=local(2 * hour))
    at_once = core.load(10)
    simulator.set_clock(at=at)
    with pytest.raises(ProviderError, match=rf"shows {at[:4]}-05-05 12:00:0\d, more than 600 s from ours.*nothing is"):
        provider_clock.measure(core.runtime, core.account_row().id)
    # What was known before counts no more: the pump has to ask, and does not believe the answer.
    assert not sending_pump.pump(core.runtime, core.account_row().id)
    maintenance_tick.tick(core.runtime)
    assert isinstance(core.try_claim(), claims.Defer)
    assert list(simulator.posts()) == []
    assert core.states(campaign) == ["due", "due"]

    simulator.set_clock(offset=0)
    core.do("UPDATE account SET clock_ask_at = NULL")  # the pause after an answer that was of no use
    sending_pump.pump(core.runtime, core.account_row().id)
    assert core.states(at_once) == ["accepted"]
    assert core.states(campaign) == ["due", "due"]


def test_a_clock_ten_minutes_off_is_believed(core: CoreHarness, simulator: SimulatorProcess) -> None:
    core.load(10)
    simulator.set_clock(offset=590)
    clock = provider_clock.measure(core.runtime, core.account.id)
    assert clock.high_ms > 580_000
    sending_pump.pump(core.runtime, core.account.id)
    assert len(list(simulator.posts())) == 1


NOON = datetime(2026, 3, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("limit", "ours", "believed"),
    [
        (600, [600, 600], True),
        (600, [601, 601], False),
        (600, [-601, -601], False),
        (600, [3600, 0], True),  # the database's clock is off, and not the provider's
        (600, [0, 3600], True),
        (0, [10**9, 10**9], True),
    ],
)
def test_one_clock_of_ours_that_agrees_is_enough(limit: float, ours: list[int], believed: bool) -> None:
    clocks = [NOON + timedelta(seconds=off) for off in ours]
    assert provider_clock.believable(NOON, limit, *clocks) is believed
