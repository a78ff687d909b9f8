"""Doubts: only what is proven absent goes out again, and only on a proof of its own."""

from typing import Any

import pytest

from dispatcher.campaigns import lifecycle
from dispatcher.db.statements import query
from dispatcher.errors import InDoubt, NotDelivered
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.provider.answers import ResultLine, StatusLines
from dispatcher.results.polling import Poller
from dispatcher.sending import claims
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import IDENTICAL, CoreHarness
from tests.integration.results.doubting import ALL, HALF, NO_TRACE, NONE, Doubting, Make


def test_nothing_is_probed_before_the_horizon(
    core: CoreHarness, doubting: Doubting, simulator: SimulatorProcess
) -> None:
    campaign = core.load(4)
    doubting.doubt(NONE)
    doubting.probe()
    assert core.statuses(campaign) == {"in_doubt": 4}
    assert [call for call in simulator.calls() if call["endpoint"].startswith("status")] == []


def test_lines_proven_absent_go_out_again_once_and_byte_for_byte(
    core: CoreHarness, doubting: Doubting, simulator: SimulatorProcess
) -> None:
    campaign = core.load(10)
    simulator.set_option(delay_min=3600, delay_max=3600)
    doubting.doubt(NONE)
    doubting.pass_horizon()
    doubting.probe()
    assert core.states(campaign) == ["split", "due"]
    before = core.rows(
        "SELECT idinterno, destino, texto FROM message_status WHERE campaign_id = :id ORDER BY seq", id=campaign
    )
    doubting.doubt()
    assert core.states(campaign) == ["split", "accepted"]
    assert [(x["idinterno"], x["destino"], x["texto"]) for x in simulator.ledger()] == [tuple(row) for row in before]
    assert simulator.sent()["taken_twice"] == {}
    core.check_sums(campaign)


def test_only_the_lines_without_a_trace_move(
    core: CoreHarness, doubting: Doubting, simulator: SimulatorProcess
) -> None:
    campaign = core.load(10)
    doubting.doubt(HALF)
    doubting.pass_horizon()
    doubting.probe()
    assert core.statuses(campaign) == {"ok": 5, "pending": 5}
    assert core.states(campaign) == ["split", "due"]
    core.check_sums(campaign)
    doubting.doubt()
    assert simulator.sent()["lines"] == 10
    assert simulator.sent()["taken_twice"] == {}


def test_an_answer_lost_after_taking_all_resends_nothing(
    core: CoreHarness, doubting: Doubting, simulator: SimulatorProcess
) -> None:
    campaign = core.load(10)
    doubting.doubt(ALL)
    doubting.pass_horizon()
    doubting.probe()
    assert core.statuses(campaign) == {"ok": 10}
    assert core.states(campaign) == ["settled"]
    assert simulator.sent()["lines"] == 10
    assert core.state(campaign) == "completed"


def test_the_horizon_stands_still_while_polls_fail(
    core: CoreHarness, doubting: Doubting, simulator: SimulatorProcess
) -> None:
    core.load(20)
    core.send()
    doubting.doubt(NONE)
    simulator.set_faults({"kind": "error", "endpoint": "status"})
    before = core.account_row().observed_ms
    for _ in range(3):
        core.do("UPDATE account SET polled_at = polled_at - interval '20 seconds'")
        Poller(core.runtime, core.account).run(0)
    assert core.account_row().observed_ms == before


def observe(core: CoreHarness) -> int:
    """Observed milliseconds that two polls 10 s apart bring."""
    before = core.account_row().observed_ms
    for _ in range(2):
        core.do("UPDATE account SET polled_at = polled_at - interval '10 seconds', poll_lease_until = NULL")
        Poller(core.runtime, core.account).run(0)
    return int(core.account_row().observed_ms - before)


def test_the_horizon_counts_time_between_polls_that_worked(make_core: Make) -> None:
    core = make_core(fecha_reading="since")
    core.load(1)
    core.send()
    assert 10_000 <= observe(core) < 15_000


def test_the_horizon_stands_still_while_the_window_is_closed(make_core: Make, simulator: SimulatorProcess) -> None:
    core = make_core(fecha_reading="since", window="08:00-22:00")
    simulator.set_clock(at="2031-05-05 21:00:00")
    core.load(1)
    core.send()
    simulator.set_clock(at="2031-05-05 22:30:00")
    sending_pump.provider_clock.measure(core.runtime, core.account.id)
    assert observe(core) == 0


def test_a_doubt_after_a_long_idle_time_does_not_wait_for_that_time_again(make_core: Make) -> None:
    core = make_core(chunk_size=10, in_doubt_horizon=900)
    core.load(1)
    core.account  # noqa: B018  bound, and its clock measured
    core.do("UPDATE account SET polled_at = clock_timestamp() - interval '10 hours'")
    claim = core.claim()
    claims.finish_in_doubt(core.engine, claim, InDoubt())
    ahead = core.chunk(claim).doubt_observed_ms - core.account_row().observed_ms
    assert ahead <= core.settings.poll_gap_cap_ms


def test_while_later_posts_have_no_results_either_absence_proves_nothing(
    core: CoreHarness, doubting: Doubting, simulator: SimulatorProcess
) -> None:
    """The provider may just be slow for everybody."""
    campaign = core.load(20)
    doubting.doubt(NONE)  # and the second chunk is accepted
    assert core.states(campaign) == ["in_doubt", "accepted"]
    doubting.pass_horizon(evidence=False)
    doubting.probe()
    assert core.states(campaign)[0] == "in_doubt"
    core.settle((core.reference(campaign, 11), "OK"))
    doubting.probe()
    assert core.states(campaign)[0] == "in_doubt", "the wait after the evidence has only begun"
    doubting.pass_time()
    doubting.probe()
    assert core.states(campaign)[0] == "in_doubt", "nine of the ten lines that were taken still wait"
    core.settle(*((core.reference(campaign, seq), "OK") for seq in range(12, 21)))
    doubting.probe()
    assert core.states(campaign)[0] == "split"


@pytest.mark.parametrize("how", ["opted out", "undelivered", "cancelled"])
def test_a_later_chunk_that_never_left_says_nothing_about_a_doubt(
    core: CoreHarness, doubting: Doubting, how: str
) -> None:
    campaign = core.load(20)
    first = core.claim()
    claims.finish_in_doubt(core.engine, first, InDoubt())
    if how == "opted out":
        core.do("INSERT INTO optout (destino, source) SELECT destino, 'test' FROM message WHERE chunk_no = 2")
        assert isinstance(core.try_claim(), claims.NothingToSend)
    else:
        claims.finish_undelivered(core.engine, core.claim(), NotDelivered())
    if how == "cancelled":
        lifecycle.cancel(core.engine, campaign, wait=0)
    doubting.pass_horizon()
    doubting.probe()
    assert core.states(campaign)[0] == "split"


def test_a_later_chunk_that_was_proven_absent_and_held_says_nothing_about_a_doubt(
    core: CoreHarness, doubting: Doubting
) -> None:
    campaign = core.load(20, on_doubt="hold")
    doubting.doubt({**NONE, "times": 2})
    assert core.states(campaign) == ["in_doubt", "in_doubt"]
    doubting.pass_horizon()
    doubting.probe(rounds=30)
    assert core.states(campaign) == ["held", "held"]


def test_absence_is_evidence_about_the_attempt_that_was_in_doubt_alone(core: CoreHarness) -> None:
    """A prober asked, a late proof made the chunk due, it was posted again and is in doubt anew: then it tells."""
    campaign = core.load(10)
    first = core.claim()
    claims.finish_in_doubt(core.engine, first, InDoubt())
    claims.finish_undelivered(core.engine, first, NotDelivered())
    core.do("UPDATE account SET retry_at = NULL")
    second = core.claim()
    claims.finish_in_doubt(core.engine, second, InDoubt())
    with core.engine.begin() as connection:
        for claim, recorded in ((first, 0), (second, 1)):
            about = {"chunk_id": claim.chunk_id, "attempt": claim.attempt, "seq": 1}
            assert connection.execute(query("record_absence"), about).rowcount == recorded
    assert core.states(campaign) == ["in_doubt"]


def test_no_more_resends_than_allowed_and_then_it_is_held(make_core: Make, simulator: SimulatorProcess) -> None:
    core = make_core(chunk_size=10, max_resends=2)
    doubting = Doubting(core, simulator)
    campaign = core.load(3)
    for posted in range(1, 4):
        doubting.doubt(NONE)
        assert len(list(simulator.posts())) == posted
        doubting.pass_horizon()
        doubting.probe()
    assert core.states(campaign) == ["split", "split", "held"]
    assert core.statuses(campaign) == {"held": 3}
    maintenance_tick.tick(core.runtime)
    assert core.state(campaign) == "running"
    core.check_sums(campaign)


@pytest.mark.parametrize(("settings", "spec"), [({"max_resends": 0}, {}), ({}, {"on_doubt": "hold"})])
def test_who_wants_no_resend_gets_a_held_chunk(
    make_core: Make, simulator: SimulatorProcess, settings: dict[str, Any], spec: dict[str, Any]
) -> None:
    core = make_core(**settings)
    doubting = Doubting(core, simulator)
    campaign = core.load(3, **spec)
    doubting.doubt(NONE)
    doubting.pass_horizon()
    doubting.probe()
    assert core.states(campaign) == ["held"]
    core.settle(*((core.reference(campaign, seq), "OK") for seq in (1, 2, 3)))
    assert core.states(campaign) == ["settled"]
    assert core.statuses(campaign) == {"ok": 3}


def split(core: CoreHarness, doubting: Doubting, messages: int = 3) -> int:
    """A campaign whose only chunk went to a child that is due."""
    campaign = core.load(messages)
    doubting.doubt(NONE)
    doubting.pass_horizon()
    doubting.probe()
    assert core.states(campaign) == ["split", "due"]
    return campaign


def test_a_late_result_for_a_moved_line_settles_it_and_it_is_not_sent_again(
    core: CoreHarness, doubting: Doubting
) -> None:
    campaign = split(core, doubting)
    assert core.settle((core.reference(campaign, 2), "OK")).settled == 1
    claim = core.claim()
    assert claim.lines == 2
    assert core.reference(campaign, 2).encode() not in claim.bloque
    core.check_sums(campaign)


def test_late_results_for_all_moved_lines_leave_nothing_to_post(
    core: CoreHarness, doubting: Doubting, simulator: SimulatorProcess
) -> None:
    campaign = split(core, doubting)
    core.settle(*((core.reference(campaign, seq), "OK") for seq in (1, 2, 3)))
    sending_pump.pump(core.runtime, core.account.id)
    maintenance_tick.tick(core.runtime)
    assert core.states(campaign) == ["split", "settled"]
    assert core.state(campaign) == "completed"
    assert len(list(simulator.posts())) == 1
    core.check_sums(campaign)


def test_a_proof_of_one_attempt_is_no_proof_of_the_next(
    core: CoreHarness, doubting: Doubting, simulator: SimulatorProcess
) -> None:
    """Absent after a first attempt; that attempt is then proven undelivered, and a second one is lost."""
    campaign = core.load(3)
    first = core.claim()
    claims.finish_in_doubt(core.engine, first, InDoubt())
    with core.engine.begin() as connection:
        for seq in (1, 2, 3):
            about = {"chunk_id": first.chunk_id, "attempt": first.attempt, "seq": seq}
            connection.execute(query("record_absence"), about)
    assert claims.finish_undelivered(core.engine, first, NotDelivered()) == "due"
    core.do("UPDATE account SET retry_at = NULL, failures = 0")
    doubting.doubt(ALL)
    doubting.pass_horizon()
    doubting.probe()
    assert simulator.sent()["taken_twice"] == {}
    assert core.statuses(campaign) == {"ok": 3}


def test_a_result_that_a_poll_brings_during_the_probe_holds_nothing(
    core: CoreHarness, doubting: Doubting, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = core.load(4)
    claims.finish_in_doubt(core.engine, core.claim(), InDoubt())
    doubting.pass_horizon()

    def answer(reference: str) -> StatusLines:
        """The poll is a moment quicker than the probe of line 1; the other lines left no trace."""
        if reference != core.reference(campaign, 1):
            return NO_TRACE
        core.settle((reference, "OK"))
        return StatusLines([ResultLine(reference, core.now(), "OK", 0)])

    monkeypatch.setattr(core.runtime.provider, "status_by_idinterno", answer)
    doubting.probe()
    assert core.states(campaign) == ["split", "due"]
    assert core.statuses(campaign) == {"ok": 1, "pending": 3}


def test_a_resent_line_that_is_only_known_as_identical_ends_as_that(
    core: CoreHarness, doubting: Doubting, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = split(core, doubting, 1)
    claims.finish_in_doubt(core.engine, core.claim(), InDoubt())
    doubting.pass_horizon()

    def answer(reference: str) -> StatusLines:
        return StatusLines([ResultLine(reference, core.now(), IDENTICAL, -4)])

    monkeypatch.setattr(core.runtime.provider, "status_by_idinterno", answer)
    doubting.probe()
    assert core.states(campaign) == ["split", "settled"]
    assert core.message(campaign, 1).result_code == -4
    core.check_sums(campaign)


def test_a_trace_that_settles_nothing_is_held_for_the_operator(
    core: CoreHarness, doubting: Doubting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider knows the line, from a time before we sent it: neither a result nor absence."""
    campaign = core.load(2)
    claims.finish_in_doubt(core.engine, core.claim(), InDoubt())
    doubting.pass_horizon()
    long_ago = core.now().replace(year=2020)
    monkeypatch.setattr(
        core.runtime.provider, "status_by_idinterno", lambda ref: StatusLines([ResultLine(ref, long_ago, "OK", 0)])
    )
    doubting.probe()
    assert core.states(campaign) == ["held"]


def test_a_line_with_an_error_result_is_never_sent_again(
    core: CoreHarness, doubting: Doubting, simulator: SimulatorProcess
) -> None:
    campaign = core.load(4)
    simulator.set_option(mix={"-1": 1.0})
    doubting.doubt(ALL)
    doubting.pass_horizon()
    doubting.probe()
    assert core.statuses(campaign) == {"rejected": 4}
    assert core.message(campaign, 1).result_code == -1
    assert simulator.sent()["lines"] == 4
