"""What came of a POST: late answers, stale attempts, proof of non-delivery, refused credentials."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from dispatcher import accounts, chunks, submit, upkeep
from dispatcher.database import query
from dispatcher.errors import (
    AccountBlocked,
    CredentialsRefused,
    InDoubt,
    NotDelivered,
    ProviderError,
    SendRefusedByGuard,
)
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.bench import Bench


def test_a_late_ok_counts_after_the_lease_ran_out(bench: Bench) -> None:
    campaign = bench.load(3)
    claim = bench.claim()
    bench.expire_lease(claim)
    assert bench.statuses(campaign) == {"in_doubt": 3}
    assert chunks.finish_accepted(bench.engine, claim) == "accepted"
    chunk = bench.chunk(claim)
    assert (chunk.lease_until, chunk.doubt_since, chunk.doubt_reason) == (None, None, None)
    assert bench.one("SELECT outcome FROM attempt") == "accepted"


def test_a_stale_attempt_changes_nothing(bench: Bench) -> None:
    campaign = bench.load(3)
    first = bench.claim()
    chunks.finish_undelivered(bench.engine, first, NotDelivered())
    bench.do("UPDATE account SET retry_at = NULL")
    second = bench.claim()
    assert second.attempt == first.attempt + 1
    before = bench.chunk(second)
    assert chunks.finish_accepted(bench.engine, first) is None
    assert chunks.finish_undelivered(bench.engine, first, NotDelivered()) is None
    assert chunks.finish_in_doubt(bench.engine, first, InDoubt()) is None
    assert bench.chunk(second) == before
    assert bench.statuses(campaign) == {"submitted": 3}
    assert chunks.finish_accepted(bench.engine, second) == "accepted"


def test_an_answer_is_counted_once(bench: Bench) -> None:
    bench.load(3)
    claim = bench.send()
    assert chunks.finish_accepted(bench.engine, claim) is None
    assert chunks.finish_undelivered(bench.engine, claim, NotDelivered()) is None
    assert bench.chunk(claim).state == "accepted"


def test_a_live_lease_is_left_alone(bench: Bench) -> None:
    bench.load(3)
    claim = bench.claim()
    with bench.engine.begin() as connection:
        assert chunks.rescue(connection, bench.settings, bench.account.id) == 0
    assert bench.chunk(claim).state == "sending"


def test_what_was_not_delivered_is_due_again_and_the_account_backs_off(bench: Bench) -> None:
    campaign = bench.load(3)
    steps = []
    for _ in range(12):
        claim = bench.claim()
        assert chunks.finish_undelivered(bench.engine, claim, NotDelivered()) == "due"
        assert isinstance(bench.try_claim(), chunks.Wait)
        steps.append(bench.one("SELECT retry_at - clock_timestamp() FROM account"))
        bench.do("UPDATE account SET retry_at = clock_timestamp() - interval '1 millisecond'")
    seconds = [step.total_seconds() for step in steps]
    assert seconds[0] <= 1
    assert seconds[1] > 1
    assert 256 < seconds[-1] <= 300
    assert bench.statuses(campaign) == {"pending": 3}
    assert bench.one("SELECT count(*) FROM attempt WHERE outcome = 'not_delivered'") == 12


def test_posts_that_failed_together_are_one_step_of_backoff(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(chunk_size=1, concurrency=4)
    bench.load(4)
    for claim in [bench.claim() for _ in range(4)]:
        chunks.finish_undelivered(bench.engine, claim, NotDelivered())
    assert bench.account_row().failures == 1


def test_success_ends_the_backoff(bench: Bench) -> None:
    bench.load(20)
    chunks.finish_undelivered(bench.engine, bench.claim(), NotDelivered())
    bench.do("UPDATE account SET retry_at = clock_timestamp()")
    bench.send()
    assert (bench.account_row().failures, bench.account_row().retry_at) == (0, None)


def wait_long(bench: Bench) -> None:
    """The account and its polls wait for minutes, as after an hour of failures."""
    bench.do(
        "UPDATE account SET failures = 9, retry_at = clock_timestamp() + interval '5 minutes', "
        "poll_failures = 9, poll_at = clock_timestamp() + interval '5 minutes'"
    )


def test_a_provider_that_tells_the_time_again_is_posted_to_and_polled_at_once(bench: Bench) -> None:
    bench.load(20)
    chunks.finish_undelivered(bench.engine, bench.claim(), NotDelivered())
    wait_long(bench)
    assert isinstance(bench.try_claim(), chunks.Wait)
    accounts.measure_clock(bench.runtime, bench.account.id)
    assert bench.one("SELECT poll_at <= clock_timestamp() FROM account")
    chunks.finish_undelivered(bench.engine, bench.claim(), NotDelivered())
    assert bench.one("SELECT retry_at - clock_timestamp() FROM account") > timedelta(minutes=4), (
        "one try, not a new start"
    )


def test_the_time_of_day_ends_neither_a_block_nor_a_trial_nor_the_wait_between_idle_polls(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(chunk_size=1, concurrency=4)
    bench.load(5)
    for claim in [bench.claim() for _ in range(3)]:
        chunks.finish_in_doubt(bench.engine, claim, InDoubt())
    wait_long(bench)
    bench.do("UPDATE account SET poll_failures = 0")
    accounts.measure_clock(bench.runtime, bench.account.id)
    assert isinstance(bench.try_claim(), chunks.Wait)
    assert bench.one("SELECT poll_at > clock_timestamp() + interval '4 minutes' FROM account")
    bench.do("UPDATE account SET retry_at = NULL")
    chunks.finish_undelivered(bench.engine, bench.claim(), CredentialsRefused(words="Clave incorrecta"))
    bench.do("UPDATE chunk SET state = 'accepted', accepted_at = now() WHERE state = 'in_doubt'")
    wait_long(bench)
    accounts.measure_clock(bench.runtime, bench.account.id)
    assert isinstance(bench.try_claim(), chunks.Wait)


def test_a_clock_that_was_stepped_back_delays_nothing(bench: Bench) -> None:
    campaign = bench.load(10)
    claim = bench.claim()
    hour = "clock_timestamp() + interval '1 hour'"
    bench.do(
        f"UPDATE account SET poll_at = {hour}, retry_at = {hour}, poll_lease_until = {hour}, probe_free_at = {hour}, "
        f"rate_free_at = {hour}, clock_ask_at = {hour}, clock_measured_at = {hour}"
    )
    bench.do(f"UPDATE chunk SET lease_until = {hour} WHERE state = 'sending'")
    hints = upkeep.tick(bench.runtime)
    assert hints.clock
    assert bench.statuses(campaign) == {"in_doubt": 10}
    assert chunks.finish_accepted(bench.engine, claim) == "accepted"
    accounts.refresh_clock(bench.runtime, bench.account.id)
    ahead = "SELECT greatest(poll_at, retry_at, poll_lease_until, probe_free_at, rate_free_at) > clock_timestamp()"
    assert not bench.one(f"{ahead} + interval '2 seconds' FROM account")


def test_a_provider_that_swallows_calls_is_asked_for_its_date_one_call_at_a_time(
    make_bench: Callable[..., Bench], simulator: SimulatorProcess
) -> None:
    bench = make_bench(provider_timeout=1)
    bench.load(1)
    bench.do("UPDATE account SET clock_measured_at = clock_measured_at - interval '2 minutes'")
    assert upkeep.tick(bench.runtime).clock
    simulator.set_faults({"kind": "hang", "endpoint": "date", "seconds": 5})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: accounts.refresh_clock(bench.runtime, bench.account.id), range(4)))
    assert simulator.stats()["calls"]["date"] == 2, "one for the bench's own measurement, one for these four"
    assert not upkeep.tick(bench.runtime).clock, "not at once again"
    bench.do("UPDATE account SET clock_measured_at = NULL, clock_low_ms = NULL, clock_high_ms = NULL")
    hints = upkeep.tick(bench.runtime)
    assert (hints.submits, hints.clock) == (1, False), "the pump asks"
    submit.pump(bench.runtime, bench.account.id)
    assert simulator.stats()["calls"]["date"] == 2, "not even when nothing is known"
    simulator.clear_faults()
    bench.do("UPDATE account SET clock_ask_at = clock_timestamp()")
    submit.pump(bench.runtime, bench.account.id)
    assert bench.one("SELECT clock_measured_at > clock_timestamp() - interval '10 seconds' FROM account")


def test_refused_credentials_block_the_account_and_lose_nothing(bench: Bench) -> None:
    campaign = bench.load(3)
    words = "Usuario o clave incorrectos"
    assert chunks.finish_undelivered(bench.engine, bench.claim(), CredentialsRefused(words=words)) == "due"
    row = bench.account_row()
    assert (row.blocked_words, row.blocked_at is not None) == (words, True)
    assert bench.statuses(campaign) == {"pending": 3}
    waiting = bench.try_claim()
    assert isinstance(waiting, chunks.Wait)
    assert waiting.why == "blocked"
    bench.do("UPDATE account SET retry_at = clock_timestamp()")
    trial = bench.claim()
    assert trial.trial
    chunks.finish_accepted(bench.engine, trial)
    assert bench.account_row().blocked_at is None


def test_an_ok_for_what_was_posted_before_a_block_leaves_the_block(make_bench: Callable[..., Bench]) -> None:
    """A poll may find that the credit is gone while a POST is under way: its OK knows nothing of that."""
    bench = make_bench(chunk_size=1, concurrency=2)
    campaign = bench.load(4)
    bench.send()
    under_way = bench.claim()
    bench.do("UPDATE account SET poll_at = clock_timestamp() + interval '5 minutes', poll_misses = 3")
    bench.settle((bench.reference(campaign, 1), "se han agotado los SMS contratados"))
    blocked = bench.account_row()
    assert blocked.blocked_at is not None
    assert chunks.finish_accepted(bench.engine, under_way) == "accepted"
    after = bench.account_row()
    assert (after.blocked_at, after.blocked_words) == (blocked.blocked_at, blocked.blocked_words)
    assert (after.failures, after.retry_at) == (blocked.failures, blocked.retry_at)
    assert after.poll_misses == 0
    assert bench.one("SELECT poll_at < clock_timestamp() + interval '2 seconds' FROM account"), "its results come soon"
    assert isinstance(bench.try_claim(), chunks.Wait)
    bench.do("UPDATE account SET retry_at = clock_timestamp()")
    trial = bench.claim()
    bench.settle((bench.reference(campaign, 2), "se han agotado los SMS contratados", 60))
    assert chunks.finish_accepted(bench.engine, trial) == "accepted"
    assert bench.account_row().blocked_at is not None, "blocked again while the trial was under way"
    bench.do("UPDATE account SET retry_at = clock_timestamp()")
    bench.send()
    assert bench.account_row().blocked_at is None


def test_a_block_that_commits_while_an_ok_waits_for_the_account_stays(bench: Bench) -> None:
    """The OK is judged by the row as it is once it is free, not as it was when the statement began."""
    bench.load(10)
    claim = bench.claim()
    bench.do("UPDATE account SET poll_misses = 3, failures = 2")
    with ThreadPoolExecutor(1) as pool:
        with bench.engine.begin() as connection:
            words = {"account_id": bench.account.id, "words": "se han agotado", "fecha": bench.now()}
            assert connection.execute(query("block_by_result"), words).first()
            finishing = pool.submit(chunks.finish_accepted, bench.engine, claim)
            wait_until(lambda: bench.one("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
        assert finishing.result(20) == "accepted"
    row = bench.account_row()
    assert (row.blocked_at is not None, row.failures, row.poll_misses) == (True, 3, 0)


def test_a_block_from_before_the_clock_was_stepped_back_ends_with_the_next_ok(bench: Bench) -> None:
    bench.load(10)
    bench.do("UPDATE account SET blocked_at = clock_timestamp() + interval '1 hour', blocked_words = 'x'")
    bench.send()
    assert bench.account_row().blocked_at is None


def test_words_about_credit_put_the_chunk_in_doubt_and_block(bench: Bench) -> None:
    """Part of the chunk may have been taken before the credit was gone."""
    campaign = bench.load(3)
    assert (
        chunks.finish_in_doubt(
            bench.engine, bench.claim(), AccountBlocked(words="se han agotado los 100 SMS contratados")
        )
        == "in_doubt"
    )
    assert bench.account_row().blocked_at is not None
    assert bench.statuses(campaign) == {"in_doubt": 3}


@pytest.mark.parametrize(
    ("finish", "error"),
    [
        (chunks.finish_undelivered, CredentialsRefused(words="Usuario o clave incorrectos")),
        (chunks.finish_in_doubt, AccountBlocked(words="1161880001: se han agotado los 100 SMS contratados")),
    ],
    ids=["refused", "in doubt"],
)
def test_a_block_is_told_once_not_at_each_trial(
    bench: Bench,
    caplog: pytest.LogCaptureFixture,
    finish: Callable[..., str | None],
    error: ProviderError,
) -> None:
    def told() -> list[str]:
        return [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]

    bench.load(60)
    words = (error.words or "").removeprefix("1161880001: ")
    line = f"account_blocked account={bench.account.id} words={words!r}"
    for _ in range(3):
        finish(bench.engine, bench.claim(), error)
        assert told() == [line]
        assert bench.account_row().blocked_words == words
        bench.do("UPDATE account SET retry_at = clock_timestamp()")
    trial = bench.claim()
    assert trial.trial
    chunks.finish_accepted(bench.engine, trial)
    bench.do("UPDATE account SET retry_at = NULL")
    finish(bench.engine, bench.claim(), error)
    assert told() == [line, line], "another block"


def test_refusals_that_come_together_are_one_block(
    make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(chunk_size=1, concurrency=4)
    bench.load(4)
    claims = [bench.claim() for _ in range(4)]
    refused = CredentialsRefused(words="apikey incorrecta")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda claim: chunks.finish_undelivered(bench.engine, claim, refused), claims))
    assert [r.levelname for r in caplog.records if "account_blocked" in r.message] == ["ERROR"]
    assert bench.account_row().failures == 4


def test_our_own_guard_costs_no_backoff(bench: Bench) -> None:
    bench.load(3)
    assert chunks.finish_undelivered(bench.engine, bench.claim(), SendRefusedByGuard()) == "due"
    assert bench.account_row().failures == 0
    assert bench.one("SELECT outcome FROM attempt") == "not_started"
    assert isinstance(bench.try_claim(), chunks.Claim)


def test_three_doubts_leave_one_trial_a_step(bench: Bench) -> None:
    bench.load(60)
    for _ in range(3):
        chunks.finish_in_doubt(bench.engine, bench.claim(), InDoubt())
    trial = bench.claim()
    assert trial.trial
    assert isinstance(bench.try_claim(), chunks.Wait)
    chunks.finish_in_doubt(bench.engine, trial, InDoubt())
    waiting = bench.try_claim()
    assert isinstance(waiting, chunks.Wait)
    assert waiting.until is not None


@pytest.mark.parametrize(
    ("fault", "state", "outcome"),
    [
        ({"kind": "error"}, "in_doubt", "in_doubt"),
        ({"kind": "error", "take": "all"}, "in_doubt", "in_doubt"),
        ({"kind": "html"}, "in_doubt", "in_doubt"),
        ({"kind": "redirect"}, "in_doubt", "in_doubt"),
        ({"kind": "garbage"}, "in_doubt", "in_doubt"),
        ({"kind": "reset", "take": "half"}, "in_doubt", "in_doubt"),
        ({"kind": "truncate"}, "in_doubt", "in_doubt"),
        ({"kind": "sentence", "text": "bad_key"}, "due", "refused"),
        ({"kind": "sentence", "text": "ip"}, "due", "refused"),
        ({"kind": "sentence", "text": "credit"}, "in_doubt", "in_doubt"),
    ],
)
def test_what_the_provider_really_answers_decides(
    bench: Bench, simulator: SimulatorProcess, fault: dict[str, object], state: str, outcome: str
) -> None:
    campaign = bench.load(4)
    assert bench.account
    simulator.set_faults({**fault, "endpoint": "bulk", "times": 1})
    submit.pump(bench.runtime, bench.account.id)
    assert bench.states(campaign) == [state]
    assert bench.rows("SELECT outcome FROM attempt ORDER BY attempt")[0].outcome == outcome
    assert len(list(simulator.posts())) == 1


def test_a_provider_that_is_not_there_is_proof_and_nothing_is_lost(bench: Bench, simulator: SimulatorProcess) -> None:
    campaign = bench.load(4)
    assert bench.account
    simulator.set_faults({"kind": "refused", "seconds": 30})
    submit.pump(bench.runtime, bench.account.id)
    assert bench.states(campaign) == ["due"]
    simulator.clear_faults()
    bench.do("UPDATE account SET retry_at = NULL")
    submit.pump(bench.runtime, bench.account.id)
    assert bench.states(campaign) == ["accepted"]
    assert simulator.sent()["lines"] == 4


def test_a_crash_of_our_own_is_a_doubt(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = bench.load(4)
    assert bench.account

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("something of ours")

    monkeypatch.setattr(bench.runtime.provider, "send_bulk", crash)
    submit.pump(bench.runtime, bench.account.id)
    assert bench.states(campaign) == ["in_doubt"]


def test_too_little_lease_left_posts_nothing(
    bench: Bench, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was stopped between its claim and its POST finds its lease used up."""
    campaign = bench.load(4)
    assert bench.account
    real = submit.boot_clock
    monkeypatch.setattr(submit, "boot_clock", lambda: real() + 40.0)
    monkeypatch.setattr(chunks, "finish_undelivered", lambda engine, claim, error: outcomes.append(error))
    outcomes: list[ProviderError | None] = []
    submit._submit(bench.runtime, bench.claim())
    assert isinstance(outcomes[0], SendRefusedByGuard)
    assert list(simulator.posts()) == []
    assert bench.states(campaign) == ["sending"]


def test_the_tick_finds_leases_that_ran_out(bench: Bench) -> None:
    campaign = bench.load(4)
    bench.claim()
    bench.do("UPDATE chunk SET lease_until = clock_timestamp() - interval '1 second'")
    upkeep.tick(bench.runtime)
    assert bench.states(campaign) == ["in_doubt"]
    assert bench.one("SELECT outcome FROM attempt") == "lost"


def test_accepted_without_results_is_unknown_after_the_horizon_and_a_working_poll(bench: Bench) -> None:
    campaign = bench.load(4)
    bench.send()
    bench.do("UPDATE chunk SET posted_at = clock_timestamp() - interval '2 days'")
    upkeep.tick(bench.runtime)
    assert bench.states(campaign) == ["accepted"]  # no poll has worked since
    bench.do("UPDATE account SET polled_at = clock_timestamp()")
    upkeep.tick(bench.runtime)
    assert bench.states(campaign) == ["settled"]
    assert bench.statuses(campaign) == {"unknown": 4}
    assert bench.state(campaign) == "completed"
    bench.check_sums(campaign)


def test_a_lease_outlives_the_longest_call(bench: Bench) -> None:
    bench.load(1)
    claim = bench.claim()
    timeout = bench.settings.provider_timeout
    assert claim.lease_ends - claim.claimed_at == pytest.approx(timeout + 30)
    left = bench.one("SELECT lease_until - clock_timestamp() FROM chunk")
    assert timedelta(seconds=timeout + 25) < left <= timedelta(seconds=timeout + 30)
