"""What operators decide, and the audit that proves the sums afterwards."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from dispatcher.accounts import provider_clock
from dispatcher.campaigns import audit, lifecycle, operator_actions
from dispatcher.db.statements import query
from dispatcher.errors import UsageError
from dispatcher.runtime import Runtime
from dispatcher.sending import claims, pump
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness
from tests.integration.stepper import Stepper


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(chunk_size=10, provider_timeout=1, in_doubt_horizon=0))


def audited(stepper: Stepper, campaign_id: int) -> audit.Audit:
    with stepper.runtime.engine.connect() as connection:
        return audit.audit(connection, campaign_id)


def test_a_complete_campaign_balances(stepper: Stepper) -> None:
    campaign = stepper.load(25)
    assert stepper.finish(campaign).counts == {"ok": 25}
    found = audited(stepper, campaign)
    assert found.balanced, found.complaints
    assert (found.rows, found.messages, found.sent_min, found.sent_max) == (25, 25, 25, 25)
    assert found.attempts == {"accepted": 3}


def test_the_audit_names_a_counter_that_lies(stepper: Stepper) -> None:
    campaign = stepper.load(5)
    stepper.finish(campaign)
    stepper.sql("UPDATE chunk_result SET n = 4")
    found = audited(stepper, campaign)
    assert not found.balanced
    assert any("counters" in words for words in found.complaints)


def test_a_lost_answer_is_an_honest_range_until_evidence_comes(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(delay_min=3600, delay_max=3600)
    simulator.set_faults({"kind": "close", "endpoint": "bulk", "take": "all", "times": 1})
    campaign = stepper.load(10)
    stepper.submit()
    with stepper.runtime.engine.connect() as connection:
        (doubt,) = operator_actions.doubts(connection, campaign)
    assert (doubt.chunk_no, doubt.state, doubt.messages, doubt.found) == (1, "in_doubt", 10, 0)
    found = audited(stepper, campaign)
    assert (found.sent_min, found.sent_max, found.balanced) == (0, 10, True)


def test_what_is_held_goes_again_only_by_the_operators_word_and_once(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_faults({"kind": "close", "endpoint": "bulk", "take": "none", "times": 1})
    campaign = stepper.load(10, on_doubt="hold")
    stepper.load(10, first=100)  # a later chunk with results
    stepper.submit()
    for _ in range(3):
        stepper.sql("UPDATE account SET poll_at = now()")
        stepper.poll()
        stepper.probe()
    assert stepper.show(campaign).held == 10
    answer = operator_actions.resolve(stepper.runtime.engine, campaign, 1, "unsent")
    assert (answer["state"], answer["messages"]) == ("split", 10)
    with pytest.raises(UsageError):
        operator_actions.resolve(stepper.runtime.engine, campaign, 1, "unsent")
    assert stepper.finish(campaign).counts == {"ok": 10}
    assert simulator.sent()["taken_twice"] == {}
    assert audited(stepper, campaign).operator_actions == 1


@pytest.mark.parametrize("chunk_no", [7, 0, -1, 10**20])
def test_a_chunk_that_is_not_in_doubt_cannot_be_resolved(stepper: Stepper, chunk_no: int) -> None:
    campaign = stepper.load(1)
    with pytest.raises(UsageError, match="neither in doubt nor held"):
        operator_actions.resolve(stepper.runtime.engine, campaign, chunk_no, "sent")


def test_held_as_sent_waits_for_its_results(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(delay_min=3600, delay_max=3600)
    simulator.set_faults({"kind": "close", "endpoint": "bulk", "take": "all", "times": 1})
    campaign = stepper.load(4)
    stepper.submit()
    assert operator_actions.resolve(stepper.runtime.engine, campaign, 1, "sent")["state"] == "accepted"
    assert stepper.show(campaign).counts == {"submitted": 4}
    simulator.set_clock(advance=7200)
    stepper.sql("UPDATE account SET clock_measured_at = NULL, clock_low_ms = NULL, clock_high_ms = NULL")
    assert stepper.finish(campaign).counts == {"ok": 4}
    assert simulator.stats()["posts"] == 1


def test_credit_that_runs_out_blocks_and_its_messages_go_by_themselves_when_there_is_more(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_option(credit=15)
    campaign = stepper.load(30)
    stepper.submit()
    stepper.poll()
    assert stepper.show(campaign).counts == {"ok": 15, "pending": 15}
    (account,) = stepper.sql("SELECT blocked_words FROM account")
    assert "agotado" in account.blocked_words
    simulator.set_option(credit=1000)
    stepper.sql("UPDATE account SET retry_at = now()")
    assert stepper.finish(campaign).counts == {"ok": 30}
    sent = simulator.sent()
    assert sent["taken_twice"] == {}
    assert sent["pairs_sent_twice"] == []
    assert audited(stepper, campaign).balanced
    assert len(stepper.sql("SELECT DISTINCT destino FROM message_status WHERE status = 'ok'")) == 30


def test_chunks_of_one_campaign_resolved_at_once_get_children_of_their_own(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    campaign = stepper.load(20)
    simulator.set_faults({"kind": "error", "endpoint": "bulk", "take": "none", "times": 2})
    stepper.submit()
    both = threading.Barrier(2)
    answers: list[dict[str, Any]] = []

    def resolve(chunk_no: int) -> None:
        both.wait()
        answers.append(operator_actions.resolve(stepper.runtime.engine, campaign, chunk_no, "unsent"))

    threads = [threading.Thread(target=resolve, args=(chunk_no,)) for chunk_no in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answer["child"] for answer in answers) == [3, 4]


def test_after_a_restore_nothing_unfinished_goes_out_by_itself(stepper: Stepper, simulator: SimulatorProcess) -> None:
    campaign = stepper.load(10)
    (before,) = stepper.sql("SELECT prefix FROM installation")
    answer = operator_actions.restored(stepper.runtime.engine)
    assert answer["prefix"] != before.prefix
    stepper.submit()
    stepper.tick()
    assert simulator.stats()["posts"] == 0
    assert stepper.show(campaign).counts == {"held": 10}
    operator_actions.resolve(stepper.runtime.engine, campaign, 1, "unsent")
    assert stepper.finish(campaign).counts == {"ok": 10}


def test_after_a_restore_results_settle_what_was_sent_since_even_if_the_dump_has_no_result(
    make_runtime: Callable[..., Runtime],
) -> None:
    stepper = Stepper(make_runtime(chunk_size=10))
    campaign = stepper.load(50)
    # Two of five chunks are sent; then what the dump says of them is put back.
    for _ in range(2):
        claim = claims.claim_next(stepper.runtime.engine, stepper.runtime.settings, *measured(stepper))
        assert isinstance(claim, claims.Claim)
        stepper.runtime.provider.send_bulk(claim.bloque, test=False, guard=lambda: None, timeout=5)
    stepper.sql(
        "UPDATE chunk SET state = 'due', attempt = 0, lease_until = NULL, first_post_at = NULL, posted_at = NULL"
    )
    stepper.sql("DELETE FROM attempt")
    assert operator_actions.restored(stepper.runtime.engine)["held_chunks"] == 5

    def settled() -> bool:
        stepper.sql("UPDATE account SET poll_at = now()")
        stepper.poll()
        return stepper.show(campaign).counts == {"ok": 20, "held": 30}

    wait_until(settled, 20)
    for chunk in (3, 4, 5):
        operator_actions.resolve(stepper.runtime.engine, campaign, chunk, "unsent")
    assert stepper.finish(campaign).counts == {"ok": 50}


def measured(stepper: Stepper) -> tuple[int, str]:
    """The account, with the provider's clock measured."""
    provider_clock.ensure(stepper.runtime, stepper.account.id)
    return stepper.account.id, stepper.account.fingerprint


def work(stepper: Stepper, rounds: int = 4) -> None:
    """Submit, poll and tick a few times."""
    for _ in range(rounds):
        stepper.submit()
        stepper.sql("UPDATE account SET poll_at = now()")
        stepper.poll()
        stepper.tick()


def send_some(stepper: Stepper, posts: int) -> None:
    """So many POSTs, and no more."""
    account = measured(stepper)
    for _ in range(posts):
        claim = claims.claim_next(stepper.runtime.engine, stepper.runtime.settings, *account)
        assert isinstance(claim, claims.Claim)
        pump._submit(stepper.runtime, claim)


def test_a_bad_canary_pauses_the_rest(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(mix={"-1": 1.0})
    campaign = stepper.load(60, canary=15, max_reject_rate=0.3)
    work(stepper)
    shown = stepper.show(campaign)
    assert shown.state == "paused"
    assert shown.reason is not None
    assert "canary" in shown.reason
    assert simulator.sent()["lines"] == 15
    assert shown.counts == {"rejected": 15, "pending": 45}


def test_resuming_after_a_bad_canary_lets_the_rest_go_and_judges_only_that(
    stepper: Stepper, simulator: SimulatorProcess
) -> None:
    simulator.set_option(mix={"-1": 1.0})
    campaign = stepper.load(300, canary=60, max_reject_rate=0.3)
    work(stepper)
    assert stepper.show(campaign).state == "paused"
    simulator.set_option(mix={})
    lifecycle.resume(stepper.runtime.engine, campaign)
    stepper.tick()
    assert stepper.show(campaign).state == "running", "the same results are not judged again"
    assert stepper.finish(campaign).counts == {"rejected": 60, "ok": 240}


def test_after_a_resumed_canary_the_reject_rate_still_holds(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(mix={"-1": 1.0})
    campaign = stepper.load(300, canary=15, max_reject_rate=0.3)
    work(stepper)
    lifecycle.resume(stepper.runtime.engine, campaign)
    send_some(stepper, 5)
    stepper.poll()
    stepper.tick()
    shown = stepper.show(campaign)
    assert shown.state == "paused"
    assert shown.reason is not None
    assert shown.reason.startswith("rejected messages")
    sent = simulator.sent()["lines"]
    lifecycle.resume(stepper.runtime.engine, campaign)
    stepper.tick()
    assert stepper.show(campaign).state == "running", "the same results are not judged again"
    stepper.submit()
    assert simulator.sent()["lines"] > sent


def test_a_campaign_that_the_operator_paused_keeps_its_canary(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(mix={"-1": 1.0})
    campaign = stepper.load(60, canary=15, max_reject_rate=0.3)
    stepper.submit()
    lifecycle.pause(stepper.runtime.engine, campaign, wait=0, reason="paused by the operator")
    work(stepper)
    lifecycle.resume(stepper.runtime.engine, campaign)
    work(stepper)
    shown = stepper.show(campaign)
    assert (shown.state, shown.counts) == ("paused", {"rejected": 15, "pending": 45})
    assert shown.reason is not None
    assert shown.reason.startswith("canary")


def test_a_canary_without_a_single_result_pauses_the_rest(stepper: Stepper, simulator: SimulatorProcess) -> None:
    simulator.set_option(delay_min=3600, delay_max=3600)
    campaign = stepper.load(60, canary=15)
    stepper.submit()
    stepper.sql("UPDATE chunk SET posted_at = clock_timestamp() - interval '2 days' WHERE state = 'accepted'")
    work(stepper)
    shown = stepper.show(campaign)
    assert (shown.state, shown.counts) == ("paused", {"unknown": 15, "pending": 45})
    assert shown.reason is not None
    assert "proves nothing" in shown.reason


def test_a_canary_of_opt_outs_alone_pauses_the_rest_and_says_so(stepper: Stepper, simulator: SimulatorProcess) -> None:
    campaign = stepper.load(60, canary=15)
    stepper.sql("INSERT INTO optout (destino, source) SELECT destino, 'test' FROM message WHERE seq <= 15")
    work(stepper)
    shown = stepper.show(campaign)
    assert (shown.state, shown.counts) == ("paused", {"suppressed": 15, "pending": 45})
    assert shown.reason is not None
    assert "none of it was sent" in shown.reason
    assert simulator.stats()["posts"] == 0
    lifecycle.resume(stepper.runtime.engine, campaign)
    assert stepper.finish(campaign).counts == {"suppressed": 15, "ok": 45}


def test_a_good_canary_lets_the_rest_follow(stepper: Stepper, simulator: SimulatorProcess) -> None:
    campaign = stepper.load(60, canary=15)
    stepper.submit()
    assert simulator.sent()["lines"] == 15
    assert stepper.finish(campaign).counts == {"ok": 60}


def test_a_jump_of_rejected_messages_pauses_a_running_campaign(
    make_runtime: Callable[..., Runtime], simulator: SimulatorProcess
) -> None:
    stepper = Stepper(make_runtime(chunk_size=20, rate=0))
    campaign = stepper.load(200, max_reject_rate=0.5)
    simulator.set_option(mix={"-10": 1.0})
    send_some(stepper, 5)
    stepper.poll()
    stepper.tick()
    assert stepper.show(campaign).state == "paused"


@pytest.mark.parametrize("chunk_size", [1, 3])
def test_small_chunks_are_added_up_until_their_results_say_something(
    make_runtime: Callable[..., Runtime], simulator: SimulatorProcess, chunk_size: int
) -> None:
    """HTML content goes out a message a chunk, and a low rate makes small chunks too."""
    stepper = Stepper(make_runtime(chunk_size=chunk_size, rate=0))
    campaign = stepper.load(100, max_reject_rate=0.5)
    simulator.set_option(mix={"-10": 1.0})
    while stepper.show(campaign).state != "paused" and simulator.sent()["lines"] < 100:
        send_some(stepper, 10 // chunk_size)
        stepper.poll()
        stepper.tick()
    assert stepper.show(campaign).state == "paused"
    assert 50 <= simulator.sent()["lines"] <= 60


def test_what_a_former_life_sent_by_the_operator_s_word_is_given_up_in_time(core: CoreHarness) -> None:
    """Nothing of it was posted since the restore, so the wait for its results begins with the word."""
    campaign = core.load(3)
    operator_actions.restored(core.engine)
    operator_actions.resolve(core.engine, campaign, 1, "sent")
    core.do("UPDATE account SET polled_at = clock_timestamp() + interval '2 seconds'")
    give_up = {"account_id": core.account.id, "horizon": 1}
    with core.engine.begin() as connection:
        assert connection.execute(query("give_up_on_results"), give_up).all() == []
    core.do("UPDATE chunk SET accepted_at = accepted_at - interval '2 seconds'")
    with core.engine.begin() as connection:
        connection.execute(query("give_up_on_results"), give_up)
    assert core.statuses(campaign) == {"unknown": 3}
