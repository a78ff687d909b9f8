"""Polls where a fecha brings everything from that second on."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.accounts.provider_clock import ProviderClock
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.results.poll_cycle import Cycle
from dispatcher.results.poll_since import SinceCursors
from dispatcher.results.probing import Prober
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.results.poll_steps import STAMP, Make, advance, crowd, poll, sent


def test_a_fecha_from_the_future_does_not_carry_the_cursor_away(make_core: Make, simulator: SimulatorProcess) -> None:
    core = make_core(fecha_reading="since", chunk_size=1)
    campaign = core.load(2)
    core.send()
    ahead = (core.now() + timedelta(days=1)).strftime(STAMP)
    simulator.inject({"idinterno": core.reference(campaign, 1), "text": "OK", "fecha": ahead})
    poll(core)
    assert core.statuses(campaign) == {"ok": 1, "pending": 1}
    assert core.account_row().cursors[0].astimezone(PROVIDER_ZONE).replace(tzinfo=None) <= core.now() + timedelta(
        seconds=5
    )
    sending_pump.pump(core.runtime, core.account.id)
    poll(core)
    assert core.statuses(campaign) == {"ok": 2}


def test_rows_that_show_up_late_are_found_by_the_overlap(make_core: Make, simulator: SimulatorProcess) -> None:
    """A row may appear some seconds after its own fecha, when the cursor has passed it."""
    core = make_core(fecha_reading="since", chunk_size=10)
    campaign = core.load(20)
    core.send()
    core.send()
    core.do("UPDATE chunk SET first_post_at = first_post_at - interval '1 minute'")
    now = core.now()
    simulator.inject(*({"idinterno": core.reference(campaign, s), "fecha": now.strftime(STAMP)} for s in range(2, 21)))
    poll(core)
    assert core.statuses(campaign) == {"ok": 19, "submitted": 1}
    simulator.inject({"idinterno": core.reference(campaign, 1), "fecha": (now - timedelta(seconds=20)).strftime(STAMP)})
    core.do("UPDATE account SET cursors[2] = cursors[2] - interval '31 seconds'")
    poll(core)
    assert core.statuses(campaign) == {"ok": 20}


def test_results_that_no_answer_brings_are_passed_over_and_asked_for_by_idinterno(
    make_core: Make, simulator: SimulatorProcess
) -> None:
    """4 MB is about 90,000 lines; here the limit is small instead. Nothing is lost, the idinternos bring the rest."""
    core = make_core(fecha_reading="since", chunk_size=10, probe_rate=200)
    campaign = sent(core, 60)
    advance(core, simulator, 20)
    late = sent(core, 10, template="Otro {n}")
    advance(core, simulator, 5)
    simulator.set_option(max_answer=1500)
    core.do("UPDATE account SET polled_at = clock_timestamp() - interval '20 seconds'")
    poll(core)
    row = core.account_row()
    assert row.poll_failures == 0
    assert row.cursors[0] > core.one("SELECT posted_at FROM chunk WHERE campaign_id = :id LIMIT 1", id=late)
    assert row.observed_ms < 18_000, "time was counted in which results were not read"
    assert row.passed_over_at is not None
    assert core.statuses(late) == {"ok": 10}
    assert core.statuses(campaign) == {"submitted": 60}
    prober = Prober(core.runtime, core.account.id, core.settler)

    def done() -> bool:
        core.do("UPDATE account SET probe_free_at = NULL")
        core.do("UPDATE chunk SET probe_at = clock_timestamp() WHERE state = 'accepted'")
        prober.round()
        return set(core.states(campaign)) == {"settled"}

    wait_until(done, 20)
    assert core.statuses(campaign) == {"ok": 60}
    core.check_sums(campaign)


@pytest.mark.parametrize(("seconds_ago", "turn"), [(60, 2), (600, 3)], ids=["deep", "full"])
def test_a_sweep_that_is_too_large_stops_no_poll(
    make_core: Make, simulator: SimulatorProcess, seconds_ago: int, turn: int
) -> None:
    """One ignored line keeps the oldest POST waiting, and what came since is more than an answer holds."""
    core = make_core(fecha_reading="since", chunk_size=10)
    core.load(1)
    core.send()
    core.do("UPDATE chunk SET first_post_at = first_post_at - interval '20 minutes'")
    poll(core)
    crowd(simulator, core.now() - timedelta(seconds=seconds_ago))
    simulator.set_option(max_answer=1500)
    for n in range(3):
        campaign = sent(core, 5, template=f"Texto {n} {{n}}")
        core.do("UPDATE account SET cursors[1] = clock_timestamp() - interval '5 seconds'")
        core.do(f"UPDATE account SET cursors[{turn}] = clock_timestamp() - interval '301 seconds'")
        before = core.account_row()
        poll(core)
        row = core.account_row()
        assert core.statuses(campaign) == {"ok": 5}
        assert (row.poll_failures, row.passed_over_at) == (0, None)
        assert row.cursors[0] > before.cursors[0]
        assert row.cursors[turn - 1] >= before.polled_at, "the sweep would come again in the very next poll"
        assert row.observed_ms > before.observed_ms


def test_a_question_that_fails_once_passes_over_nothing(make_core: Make, simulator: SimulatorProcess) -> None:
    core = make_core(fecha_reading="since", chunk_size=10)
    campaign = sent(core, 10)
    advance(core, simulator, 20)
    simulator.set_faults({"kind": "error", "endpoint": "status_fecha", "times": 1})
    poll(core)
    assert core.statuses(campaign) == {"ok": 10}
    row = core.account_row()
    assert (row.poll_failures, row.passed_over_at) == (0, None)


def test_deep_polls_of_a_clock_that_was_stepped_back_come_again() -> None:
    now = datetime.now(UTC)
    clock = ProviderClock(0, 1000, now)
    hour = timedelta(hours=1)
    cycle = Cycle(now - hour, clock, now, [now, now + hour, now + hour])
    at = SinceCursors.of(cycle)
    assert at.latest == now
    assert max(at.deep_at, at.full_at) < now - hour
