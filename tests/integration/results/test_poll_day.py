"""Polls where a fecha brings its whole day."""

from datetime import timedelta

from ops.simulator.process import SimulatorProcess
from tests.integration.results.poll_steps import STAMP, Make, crowd, poll, sent


def test_an_earlier_day_that_is_too_large_stops_no_other(make_core: Make, simulator: SimulatorProcess) -> None:
    simulator.set_option(fecha_reading="day")
    core = make_core(fecha_reading="day", chunk_size=10)
    core.load(1)
    core.send()
    core.do("UPDATE chunk SET first_post_at = first_post_at - interval '2 days'")
    crowd(simulator, core.now() - timedelta(days=1))
    campaign = sent(core, 5)
    simulator.set_option(max_answer=1500)
    poll(core)
    assert core.statuses(campaign) == {"ok": 5}
    assert core.account_row().poll_failures == 0


def test_a_day_that_is_too_large_is_a_poll_that_failed_and_earlier_days_are_read(
    make_core: Make, simulator: SimulatorProcess
) -> None:
    simulator.set_option(fecha_reading="day")
    core = make_core(fecha_reading="day", chunk_size=10)
    campaign = core.load(1)
    core.send()
    core.do("UPDATE chunk SET first_post_at = first_post_at - interval '2 days'")
    yesterday = (core.now() - timedelta(days=1)).strftime(STAMP)
    simulator.inject({"idinterno": core.reference(campaign, 1), "text": "OK", "fecha": yesterday})
    crowd(simulator, core.now())
    simulator.set_option(max_answer=1500)
    poll(core)
    assert core.statuses(campaign) == {"ok": 1}
    assert core.account_row().poll_failures == 1
