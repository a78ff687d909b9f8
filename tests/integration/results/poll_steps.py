"""What the tests of polls share: one poll as if its time had come, and a provider whose answers grow too large."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from dispatcher.accounts import provider_clock
from dispatcher.results.polling import Poller
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness

Make = Callable[..., CoreHarness]

STAMP = "%Y%m%d%H%M%S"


def poll(core: CoreHarness) -> None:
    """One poll, as if its time had come."""
    core.do("UPDATE account SET poll_lease_until = NULL")
    Poller(core.runtime, core.account).run(0)


def sent(core: CoreHarness, messages: int = 10, **spec: Any) -> int:
    """A campaign that the provider has taken."""
    campaign = core.load(messages, **spec)
    while sending_pump.pump(core.runtime, core.account.id):
        pass
    return campaign


def crowd(simulator: SimulatorProcess, moment: datetime, rows: int = 60) -> None:
    """Another system's results of one second: more than `max_answer=1500` lets through."""
    simulator.inject(*({"idinterno": f"OTRO{n}", "text": "OK", "fecha": moment.strftime(STAMP)} for n in range(rows)))


def advance(core: CoreHarness, simulator: SimulatorProcess, seconds: float) -> None:
    """The provider's clock goes on."""
    simulator.set_clock(advance=seconds)
    provider_clock.measure(core.runtime, core.account.id)
