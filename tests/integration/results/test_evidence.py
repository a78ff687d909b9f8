"""A doubtful line goes again only when the provider has shown that it worked past its POST, and nothing speaks against."""

from typing import Any

import pytest

from dispatcher.db.statements import query
from dispatcher.errors import InDoubt, NotDelivered
from dispatcher.results.probing import Prober
from dispatcher.sending import claims
from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness


def doubtful(core: CoreHarness, messages: int = 4, **spec: Any) -> int:
    """A campaign whose one POST has no outcome; the provider never had it."""
    campaign = core.load(messages, **spec)
    claims.finish_in_doubt(core.engine, core.claim(), InDoubt())
    return campaign


def pass_time(core: CoreHarness, seconds: float = 1000) -> None:
    core.do(
        "UPDATE account SET observed_ms = observed_ms + :ms, retry_at = NULL, failures = 0", ms=round(seconds * 1000)
    )


def post_earlier(core: CoreHarness, seconds: float) -> None:
    """As if every POST so far had begun so much earlier."""
    earlier = "{0} = {0} - make_interval(secs => :s)"
    core.do(f"UPDATE chunk SET {earlier.format('first_post_at')}", s=seconds)
    core.do(f"UPDATE attempt SET {earlier.format('provider_at')}", s=seconds)


def probe(core: CoreHarness, rounds: int = 3) -> None:
    prober = Prober(core.runtime, core.account.id, core.settler)
    for _ in range(rounds):
        core.do("UPDATE account SET probe_free_at = NULL")
        prober.round()


def test_without_a_later_result_nothing_goes_again_and_the_operator_decides(core: CoreHarness) -> None:
    campaign = doubtful(core)
    pass_time(core, core.settings.result_horizon - 10)
    probe(core)
    assert core.states(campaign) == ["in_doubt"]
    pass_time(core, 20)
    probe(core)
    assert core.states(campaign) == ["held"]
    assert core.one("SELECT doubt_reason FROM chunk WHERE campaign_id = :id", id=campaign).endswith("no_evidence")


def test_a_result_of_what_was_handed_in_before_is_no_evidence(core: CoreHarness) -> None:
    core.show_later_result()
    campaign = doubtful(core)
    pass_time(core)
    probe(core)
    pass_time(core)
    probe(core)
    assert core.states(campaign) == ["in_doubt"]


@pytest.mark.parametrize(("own", "later", "again"), [(False, True, False), (True, False, False), (True, True, True)])
def test_test_lines_speak_for_test_lines_alone(core: CoreHarness, own: bool, later: bool, again: bool) -> None:
    campaign = doubtful(core, test=own)
    core.show_later_result(test=later)
    probe(core)
    pass_time(core)
    probe(core)
    pass_time(core)
    probe(core)
    assert core.states(campaign) == (["split", "due"] if again else ["in_doubt"])


@pytest.mark.parametrize("code", [-14, -3, -99])
def test_a_refused_line_is_no_evidence(core: CoreHarness, code: int) -> None:
    """A number on a list may be refused as it is read, long before the queue comes to what was handed in earlier."""
    campaign = doubtful(core)
    core.show_later_result(code=code)
    for _ in range(2):
        pass_time(core)
        probe(core)
    assert core.states(campaign) == ["in_doubt"]


def test_a_resent_line_is_no_evidence(core: CoreHarness) -> None:
    campaign = doubtful(core)
    core.show_later_result()
    core.do("UPDATE chunk SET resends = 1, parent_no = 1, root_no = 1, chunk_no = 2 WHERE state = 'settled'")
    pass_time(core)
    probe(core)
    pass_time(core)
    probe(core)
    assert core.states(campaign) == ["in_doubt"]


def test_a_fecha_in_the_future_settles_its_line_and_is_no_evidence(core: CoreHarness) -> None:
    campaign = doubtful(core)
    later = core.load(1)
    core.send()
    core.settle((core.reference(later, 1), "OK", 3600))
    assert core.statuses(later) == {"ok": 1}
    pass_time(core)
    probe(core)
    pass_time(core)
    probe(core)
    assert core.states(campaign) == ["in_doubt"]


def test_the_wait_is_twice_the_longest_time_from_post_to_result(core: CoreHarness) -> None:
    """The horizon is 3 s; a result of today took 200 s."""
    slow = core.load(1)
    core.send()
    post_earlier(core, 200)
    core.settle((core.reference(slow, 1), "OK"))
    campaign = doubtful(core)
    core.show_later_result()
    pass_time(core, 10)
    probe(core)
    pass_time(core, 300)
    probe(core)
    assert core.states(campaign) == ["in_doubt"]
    pass_time(core, 110)
    probe(core)
    assert core.states(campaign) == ["split", "due"]


@pytest.mark.parametrize("why", [InDoubt(), NotDelivered(reason="refused")], ids=["lost", "not delivered"])
def test_a_second_post_is_measured_from_itself_and_makes_no_later_doubt_wait_longer(
    core: CoreHarness, why: InDoubt | NotDelivered
) -> None:
    """Else each resend would double the wait before the next one, until every doubt ends held."""
    campaign = core.load(4)
    if isinstance(why, InDoubt):
        claims.finish_in_doubt(core.engine, core.claim(), why)
        core.show_later_result()
        for _ in range(2):
            pass_time(core)
            probe(core)
    else:
        claims.finish_undelivered(core.engine, core.claim(), why)
        pass_time(core)
    post_earlier(core, 200)
    core.send()
    core.settle(*((core.reference(campaign, seq), "OK") for seq in range(1, 5)))
    assert core.statuses(campaign) == {"ok": 4}
    assert core.one("SELECT max(longest_ms) FROM result_delay") < 100_000


def test_a_result_from_before_the_second_post_is_measured_from_the_first(core: CoreHarness) -> None:
    campaign = doubtful(core)
    core.show_later_result()
    for _ in range(2):
        pass_time(core)
        probe(core)
    post_earlier(core, 200)
    core.send()
    core.settle((core.reference(campaign, 1), "OK", -100))
    assert 90_000 < core.one("SELECT max(longest_ms) FROM result_delay") < 110_000


def test_while_a_carrier_is_stuck_nothing_is_absent(core: CoreHarness) -> None:
    """Of 30 lines that were taken before the evidence, two still wait: more than 5 %."""
    taken = core.load(30)
    for _ in range(3):
        core.send()
    core.settle(*((core.reference(taken, seq), "OK") for seq in range(1, 29)))
    campaign = doubtful(core)
    core.show_later_result()
    pass_time(core)
    probe(core)
    pass_time(core)
    probe(core)
    assert core.states(campaign) == ["in_doubt"]
    core.settle((core.reference(taken, 29), "OK"))
    probe(core)
    assert core.states(campaign) == ["split", "due"]


def test_lines_before_one_with_a_result_were_taken_with_it(core: CoreHarness) -> None:
    """The provider reads a bloque in order. Line 3 has a result, so 1 and 2 wait for theirs, and only 4 may be absent."""
    campaign = doubtful(core)
    core.settle((core.reference(campaign, 3), "OK"))
    core.show_later_result()
    pass_time(core)
    probe(core)
    pass_time(core)
    probe(core)
    assert core.states(campaign) == ["in_doubt"], "lines that were taken wait: so may the last one"
    core.settle((core.reference(campaign, 1), "OK"), (core.reference(campaign, 2), "OK"))
    probe(core)
    assert core.states(campaign) == ["split", "due"]
    assert core.claim().bloque.startswith(core.reference(campaign, 4).encode())


def test_a_result_of_the_last_line_shows_that_all_was_taken(core: CoreHarness) -> None:
    campaign = doubtful(core)
    core.settle((core.reference(campaign, 4), "OK"))
    probe(core, 1)
    assert core.states(campaign) == ["accepted"]
    core.check_sums(campaign)


@pytest.mark.parametrize(
    ("readings", "again"),
    [
        (((1000, None), (996, None)), False),  # four messages of ours alone could have cost that
        (((1000, None), (1000, None)), True),
        (((1000, None), (5000, None)), True),  # a top-up says nothing
        (((None, 7), (None, 11)), False),
        (((None, 7), (None, 0)), True),  # a new month says nothing
        (((1000, None), (999, None)), True),  # the later message explains it
    ],
)
def test_a_balance_that_moved_without_another_cause_speaks_against(
    core: CoreHarness, readings: tuple[tuple[int | None, int | None], ...], again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.results.doubts.account_info.record_balance", lambda *_: None)
    core.account  # noqa: B018  bound, and its clock measured
    reading = (
        "INSERT INTO balance (account_id, saldo, envios) SELECT id, CAST(:s AS bigint), CAST(:e AS bigint) FROM account"
    )
    core.do(reading, s=readings[0][0], e=readings[0][1])
    campaign = doubtful(core)
    core.show_later_result()
    pass_time(core)
    probe(core)
    pass_time(core)
    core.do(reading, s=readings[1][0], e=readings[1][1])
    probe(core)
    assert core.states(campaign) == (["split", "due"] if again else ["in_doubt"])


def test_the_last_line_of_a_campaign_goes_after_the_others(core: CoreHarness) -> None:
    campaign = core.load(10, last_line_alone=True)
    first = core.claim()
    assert first.lines == 9
    assert isinstance(core.try_claim(), claims.Defer), "the others have not ended"
    claims.finish_in_doubt(core.engine, first, InDoubt())
    last = core.claim()
    assert (last.lines, last.chunk_no) == (1, 2)
    claims.finish_accepted(core.engine, last)
    core.settle((core.reference(campaign, 10), "OK"))
    pass_time(core)
    probe(core)
    pass_time(core)
    probe(core)
    assert core.states(campaign) == ["split", "settled", "due"]
    core.check_sums(campaign)


def test_the_last_line_waits_for_lines_that_go_again_before_it(core: CoreHarness) -> None:
    """Another campaign's result is the evidence, so that the first lines go again while the last one is due."""
    campaign = core.load(10, last_line_alone=True)
    claims.finish_in_doubt(core.engine, core.claim(), InDoubt())
    core.do("UPDATE campaign SET start_at = clock_timestamp() + interval '1 hour' WHERE id = :id", id=campaign)
    core.show_later_result()
    for _ in range(2):
        pass_time(core)
        probe(core)
    assert core.states(campaign) == ["split", "due", "due"]
    core.do("UPDATE campaign SET start_at = NULL WHERE id = :id", id=campaign)
    again = core.claim()
    assert (again.chunk_no, again.lines) == (3, 9)
    assert isinstance(core.try_claim(), claims.Defer), "the lines that go again have not ended"
    claims.finish_in_doubt(core.engine, again, InDoubt())
    last = core.send()
    assert last.chunk_no == 2
    core.settle((core.reference(campaign, 10), "OK"))
    for _ in range(2):
        pass_time(core)
        probe(core)
    assert core.states(campaign) == ["split", "settled", "split", "due"], "it is evidence for the second loss too"


@pytest.mark.parametrize("later", [False, True], ids=["nothing later", "a later campaign"])
def test_lines_lost_again_after_the_last_line_has_gone_wait_for_another_campaign_or_for_the_operator(
    later: bool, core: CoreHarness
) -> None:
    """A resent line is no evidence, and nothing is sent for evidence's sake: alone, the second loss ends held."""
    campaign = core.load(10, last_line_alone=True)
    claims.finish_in_doubt(core.engine, core.claim(), InDoubt())
    core.send()
    core.settle((core.reference(campaign, 10), "OK"))
    for _ in range(2):
        pass_time(core)
        probe(core)
    assert core.states(campaign) == ["split", "settled", "due"]
    claims.finish_in_doubt(core.engine, core.claim(), InDoubt())
    if later:
        core.show_later_result()
    for _ in range(2):
        pass_time(core)
        probe(core)
    assert core.states(campaign)[2:] == (["split", "due"] if later else ["in_doubt"])
    pass_time(core, core.settings.result_horizon)
    probe(core)
    assert core.states(campaign)[2:] == (["split", "due"] if later else ["held"])


def test_a_campaign_whose_last_line_waits_keeps_no_other_from_sending(core: CoreHarness) -> None:
    waiting = core.load(2, last_line_alone=True, priority="high")
    core.claim()
    other = core.load(1, priority="low")
    assert core.claim().campaign_id == other
    assert core.states(waiting) == ["sending", "due"]


def test_rounds_of_questions_do_not_pile_up(core: CoreHarness, simulator: SimulatorProcess) -> None:
    doubtful(core)
    core.show_later_result()
    pass_time(core)
    probe(core)
    pass_time(core)
    with core.engine.begin() as connection:
        lease = {"account_id": core.account.id, "lease": 15}
        turn = connection.execute(query("begin_probe"), lease).scalar_one()
    before = len(list(simulator.calls()))
    probe(core)
    assert len(list(simulator.calls())) == before, "another prober is at it"
    core.do("UPDATE account SET probe_lease_until = clock_timestamp() - interval '1 second'")
    probe(core, 1)
    assert len(list(simulator.calls())) > before
    with core.engine.begin() as connection:
        goes_on = {"account_id": core.account.id, "probe_turn": turn, "lease": 15}
        assert connection.execute(query("probe_goes_on"), goes_on).first() is None
