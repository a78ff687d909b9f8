"""What operators decide, and the audit that proves the sums afterwards."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from dispatcher import accounts, audit, campaigns, chunks, decisions, results, submit
from dispatcher.database import query
from dispatcher.errors import UsageError
from dispatcher.runtime import Runtime
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.desk import Desk


@pytest.fixture
def desk(make_runtime: Callable[..., Runtime]) -> Desk:
    return Desk(make_runtime(chunk_size=10, provider_timeout=1, in_doubt_horizon=0))


def audited(desk: Desk, campaign_id: int) -> audit.Audit:
    with desk.runtime.engine.connect() as connection:
        return audit.audit(connection, campaign_id)


def test_a_complete_campaign_balances(desk: Desk) -> None:
    campaign = desk.load(25)
    assert desk.finish(campaign).counts == {"ok": 25}
    found = audited(desk, campaign)
    assert found.balanced, found.complaints
    assert (found.rows, found.messages, found.sent_min, found.sent_max) == (25, 25, 25, 25)
    assert found.attempts == {"accepted": 3}


def test_the_audit_names_a_counter_that_lies(desk: Desk) -> None:
    campaign = desk.load(5)
    desk.finish(campaign)
    desk.sql("UPDATE chunk_result SET n = 4")
    found = audited(desk, campaign)
    assert not found.balanced
    assert any("counters" in words for words in found.complaints)


def test_a_lost_answer_is_an_honest_range_until_evidence_comes(desk: Desk, simulator: SimulatorProcess) -> None:
    simulator.set_option(delay_min=3600, delay_max=3600)
    simulator.set_faults({"kind": "close", "endpoint": "bulk", "take": "all", "times": 1})
    campaign = desk.load(10)
    desk.submit()
    with desk.runtime.engine.connect() as connection:
        (doubt,) = decisions.doubts(connection, campaign)
    assert (doubt.chunk_no, doubt.state, doubt.messages, doubt.found) == (1, "in_doubt", 10, 0)
    found = audited(desk, campaign)
    assert (found.sent_min, found.sent_max, found.balanced) == (0, 10, True)


def test_what_is_held_goes_again_only_by_the_operators_word_and_once(desk: Desk, simulator: SimulatorProcess) -> None:
    simulator.set_faults({"kind": "close", "endpoint": "bulk", "take": "none", "times": 1})
    campaign = desk.load(10, on_doubt="hold")
    desk.load(10, first=100)  # a later chunk with results
    desk.submit()
    for _ in range(3):
        desk.sql("UPDATE account SET poll_at = now()")
        desk.poll()
        desk.probe()
    assert desk.show(campaign).held == 10
    answer = decisions.resolve(desk.runtime.engine, campaign, 1, "unsent")
    assert (answer["state"], answer["messages"]) == ("split", 10)
    with pytest.raises(UsageError):
        decisions.resolve(desk.runtime.engine, campaign, 1, "unsent")
    assert desk.finish(campaign).counts == {"ok": 10}
    assert simulator.sent()["taken_twice"] == {}
    assert audited(desk, campaign).decisions == 1


def test_held_as_sent_waits_for_its_results(desk: Desk, simulator: SimulatorProcess) -> None:
    simulator.set_option(delay_min=3600, delay_max=3600)
    simulator.set_faults({"kind": "close", "endpoint": "bulk", "take": "all", "times": 1})
    campaign = desk.load(4)
    desk.submit()
    assert decisions.resolve(desk.runtime.engine, campaign, 1, "sent")["state"] == "accepted"
    assert desk.show(campaign).counts == {"submitted": 4}
    simulator.set_clock(advance=7200)
    desk.sql("UPDATE account SET clock_measured_at = NULL, clock_low_ms = NULL, clock_high_ms = NULL")
    assert desk.finish(campaign).counts == {"ok": 4}
    assert simulator.stats()["posts"] == 1


def test_credit_that_runs_out_blocks_and_its_messages_are_retried_under_new_ids(
    desk: Desk, simulator: SimulatorProcess
) -> None:
    simulator.set_option(credit=15)
    campaign = desk.load(30)
    desk.submit()
    desk.poll()
    assert desk.show(campaign).result_codes == {0: 15, -99: 15}
    (account,) = desk.sql("SELECT blocked_words FROM account")
    assert "agotado" in account.blocked_words
    simulator.set_option(credit=1000)
    desk.sql("UPDATE account SET retry_at = now()")
    desk.finish(campaign)
    retried = decisions.retry(desk.runtime.engine, campaign, code=None, words="se han agotado")
    assert retried == 15
    assert desk.finish(campaign).counts == {"ok": 30}
    sent = simulator.sent()
    assert sent["taken_twice"] == {}
    assert sent["pairs_sent_twice"] == []
    assert audited(desk, campaign).balanced
    assert len(desk.sql("SELECT DISTINCT destino FROM message_status WHERE status = 'ok'")) == 30


def test_a_retry_that_commits_while_its_campaign_completes_is_not_left_behind(
    desk: Desk, simulator: SimulatorProcess
) -> None:
    """Whoever completes has looked before the retry's commit, and waits for the campaign's row behind it."""
    simulator.set_option(credit=5)
    campaign = desk.load(10)
    desk.submit()
    desk.poll()
    simulator.set_option(credit=1000)
    desk.sql("UPDATE campaign SET state = 'running', completed_at = NULL")
    engine = desk.runtime.engine
    (account,) = desk.sql("SELECT id FROM account")
    completed: list[list[int]] = []

    def complete() -> None:
        with engine.begin() as connection:
            completed.append(results.complete(connection, account.id))

    completer = threading.Thread(target=complete)
    with engine.begin() as retrying:
        (chunk,) = retrying.execute(text("SELECT id FROM chunk")).all()
        moved = retrying.execute(query("retry_lines"), {"chunk_id": chunk.id, "code": None, "words": None}).one()
        assert moved.n == 5
        retrying.execute(query("reopen_campaign"), {"campaign_id": campaign})
        completer.start()
        wait_until(lambda: desk.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"), 10)
    completer.join(10)
    assert completed == [[]]
    assert desk.show(campaign).state == "running"
    desk.sql("UPDATE account SET retry_at = NULL, blocked_at = NULL, blocked_words = NULL")
    assert desk.finish(campaign).counts == {"ok": 10}


def test_chunks_of_one_campaign_resolved_at_once_get_children_of_their_own(
    desk: Desk, simulator: SimulatorProcess
) -> None:
    campaign = desk.load(20)
    simulator.set_faults({"kind": "error", "endpoint": "bulk", "take": "none", "times": 2})
    desk.submit()
    both = threading.Barrier(2)
    answers: list[dict[str, Any]] = []

    def resolve(chunk_no: int) -> None:
        both.wait()
        answers.append(decisions.resolve(desk.runtime.engine, campaign, chunk_no, "unsent"))

    threads = [threading.Thread(target=resolve, args=(chunk_no,)) for chunk_no in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answer["child"] for answer in answers) == [3, 4]


def test_people_who_opted_out_are_not_retried(desk: Desk, simulator: SimulatorProcess) -> None:
    simulator.set_option(baja=["1120000001"])
    campaign = desk.load(3)
    assert desk.finish(campaign).result_codes == {0: 2, -3: 1}
    with pytest.raises(UsageError):
        decisions.retry(desk.runtime.engine, campaign, code=-3, words=None)
    assert decisions.retry(desk.runtime.engine, campaign, code=None, words="BAJA") == 0


def test_after_a_restore_nothing_unfinished_goes_out_by_itself(desk: Desk, simulator: SimulatorProcess) -> None:
    campaign = desk.load(10)
    (before,) = desk.sql("SELECT prefix FROM installation")
    answer = decisions.restored(desk.runtime.engine)
    assert answer["prefix"] != before.prefix
    desk.submit()
    desk.tick()
    assert simulator.stats()["posts"] == 0
    assert desk.show(campaign).counts == {"held": 10}
    decisions.resolve(desk.runtime.engine, campaign, 1, "unsent")
    assert desk.finish(campaign).counts == {"ok": 10}


def test_after_a_restore_results_settle_what_was_sent_since_even_if_the_dump_has_no_result(
    make_runtime: Callable[..., Runtime],
) -> None:
    desk = Desk(make_runtime(chunk_size=10))
    campaign = desk.load(50)
    # The life that is lost sends two of five chunks; what the dump says of them is put back.
    for _ in range(2):
        claim = chunks.claim_next(desk.runtime.engine, desk.runtime.settings, *measured(desk))
        assert isinstance(claim, chunks.Claim)
        desk.runtime.provider.send_bulk(claim.bloque, test=False, guard=lambda: None, timeout=5)
    desk.sql("UPDATE chunk SET state = 'due', attempt = 0, lease_until = NULL, first_post_at = NULL, posted_at = NULL")
    desk.sql("DELETE FROM attempt")
    assert decisions.restored(desk.runtime.engine)["held_chunks"] == 5

    def settled() -> bool:
        desk.sql("UPDATE account SET poll_at = now()")
        desk.poll()
        return desk.show(campaign).counts == {"ok": 20, "held": 30}

    wait_until(settled, 20)
    for chunk in (3, 4, 5):
        decisions.resolve(desk.runtime.engine, campaign, chunk, "unsent")
    assert desk.finish(campaign).counts == {"ok": 50}


def measured(desk: Desk) -> tuple[int, str]:
    """The account, with the provider's clock measured."""
    accounts.ensure_clock(desk.runtime, desk.account.id)
    return desk.account.id, desk.account.fingerprint


def work(desk: Desk, rounds: int = 4) -> None:
    """Submit, poll and tick a few times."""
    for _ in range(rounds):
        desk.submit()
        desk.sql("UPDATE account SET poll_at = now()")
        desk.poll()
        desk.tick()


def send_some(desk: Desk, posts: int) -> None:
    """So many POSTs, and no more."""
    account = measured(desk)
    for _ in range(posts):
        claim = chunks.claim_next(desk.runtime.engine, desk.runtime.settings, *account)
        assert isinstance(claim, chunks.Claim)
        submit._submit(desk.runtime, claim)


def test_a_bad_canary_pauses_the_rest(desk: Desk, simulator: SimulatorProcess) -> None:
    simulator.set_option(mix={"-1": 1.0})
    campaign = desk.load(60, canary=15, max_reject_rate=0.3)
    work(desk)
    shown = desk.show(campaign)
    assert shown.state == "paused"
    assert shown.reason is not None
    assert "canary" in shown.reason
    assert simulator.sent()["lines"] == 15
    assert shown.counts == {"rejected": 15, "pending": 45}


def test_resuming_after_a_bad_canary_lets_the_rest_go_and_judges_only_that(
    desk: Desk, simulator: SimulatorProcess
) -> None:
    simulator.set_option(mix={"-1": 1.0})
    campaign = desk.load(300, canary=60, max_reject_rate=0.3)
    work(desk)
    assert desk.show(campaign).state == "paused"
    simulator.set_option(mix={})
    campaigns.resume(desk.runtime.engine, campaign)
    desk.tick()
    assert desk.show(campaign).state == "running", "the same results are not judged again"
    assert desk.finish(campaign).counts == {"rejected": 60, "ok": 240}


def test_after_a_resumed_canary_the_reject_rate_still_holds(desk: Desk, simulator: SimulatorProcess) -> None:
    simulator.set_option(mix={"-1": 1.0})
    campaign = desk.load(300, canary=15, max_reject_rate=0.3)
    work(desk)
    campaigns.resume(desk.runtime.engine, campaign)
    send_some(desk, 5)
    desk.poll()
    desk.tick()
    shown = desk.show(campaign)
    assert shown.state == "paused"
    assert shown.reason is not None
    assert shown.reason.startswith("rejects")
    sent = simulator.sent()["lines"]
    campaigns.resume(desk.runtime.engine, campaign)
    desk.tick()
    assert desk.show(campaign).state == "running", "the same results are not judged again"
    desk.submit()
    assert simulator.sent()["lines"] > sent


def test_a_campaign_that_the_operator_paused_keeps_its_canary(desk: Desk, simulator: SimulatorProcess) -> None:
    simulator.set_option(mix={"-1": 1.0})
    campaign = desk.load(60, canary=15, max_reject_rate=0.3)
    desk.submit()
    campaigns.pause(desk.runtime.engine, campaign, wait=0, reason="paused by the operator")
    work(desk)
    campaigns.resume(desk.runtime.engine, campaign)
    work(desk)
    shown = desk.show(campaign)
    assert (shown.state, shown.counts) == ("paused", {"rejected": 15, "pending": 45})
    assert shown.reason is not None
    assert shown.reason.startswith("canary")


def test_a_canary_without_a_single_result_pauses_the_rest(desk: Desk, simulator: SimulatorProcess) -> None:
    simulator.set_option(delay_min=3600, delay_max=3600)
    campaign = desk.load(60, canary=15)
    desk.submit()
    desk.sql("UPDATE chunk SET posted_at = clock_timestamp() - interval '2 days' WHERE state = 'accepted'")
    work(desk)
    shown = desk.show(campaign)
    assert (shown.state, shown.counts) == ("paused", {"unknown": 15, "pending": 45})
    assert shown.reason is not None
    assert "proves nothing" in shown.reason


def test_a_canary_of_opt_outs_alone_pauses_the_rest_and_says_so(desk: Desk, simulator: SimulatorProcess) -> None:
    campaign = desk.load(60, canary=15)
    desk.sql("INSERT INTO optout (destino, source) SELECT destino, 'test' FROM message WHERE seq <= 15")
    work(desk)
    shown = desk.show(campaign)
    assert (shown.state, shown.counts) == ("paused", {"suppressed": 15, "pending": 45})
    assert shown.reason is not None
    assert "nothing of it was sent" in shown.reason
    assert simulator.stats()["posts"] == 0
    campaigns.resume(desk.runtime.engine, campaign)
    assert desk.finish(campaign).counts == {"suppressed": 15, "ok": 45}


def test_a_good_canary_lets_the_rest_follow(desk: Desk, simulator: SimulatorProcess) -> None:
    campaign = desk.load(60, canary=15)
    desk.submit()
    assert simulator.sent()["lines"] == 15
    assert desk.finish(campaign).counts == {"ok": 60}


def test_a_jump_of_rejects_pauses_a_running_campaign(
    make_runtime: Callable[..., Runtime], simulator: SimulatorProcess
) -> None:
    desk = Desk(make_runtime(chunk_size=20, rate=0))
    campaign = desk.load(200, max_reject_rate=0.5)
    simulator.set_option(mix={"-10": 1.0})
    send_some(desk, 5)
    desk.poll()
    desk.tick()
    assert desk.show(campaign).state == "paused"


@pytest.mark.parametrize("chunk_size", [1, 3])
def test_small_chunks_are_added_up_until_their_results_say_something(
    make_runtime: Callable[..., Runtime], simulator: SimulatorProcess, chunk_size: int
) -> None:
    """HTML content goes out a message a chunk, and a low rate makes small chunks too."""
    desk = Desk(make_runtime(chunk_size=chunk_size, rate=0))
    campaign = desk.load(100, max_reject_rate=0.5)
    simulator.set_option(mix={"-10": 1.0})
    while desk.show(campaign).state != "paused" and simulator.sent()["lines"] < 100:
        send_some(desk, 10 // chunk_size)
        desk.poll()
        desk.tick()
    assert desk.show(campaign).state == "paused"
    assert 50 <= simulator.sent()["lines"] <= 60
