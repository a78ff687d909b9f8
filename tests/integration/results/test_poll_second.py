"""Polls where a fecha brings that second alone."""

from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.integration.results.poll_steps import Make, advance, crowd, poll


def test_a_second_that_is_too_large_is_passed_over(make_core: Make, simulator: SimulatorProcess) -> None:
    simulator.set_option(fecha_reading="second")
    core = make_core(fecha_reading="second", chunk_size=10)
    campaign = core.load(20)
    core.send()
    crowd(simulator, core.now())
    advance(core, simulator, 10)
    sending_pump.pump(core.runtime, core.account.id)
    advance(core, simulator, 10)
    simulator.set_option(max_answer=1500)
    poll(core)
    assert core.statuses(campaign) == {"submitted": 10, "ok": 10}
    row = core.account_row()
    assert row.poll_failures == 0
    assert row.passed_over_at is not None
