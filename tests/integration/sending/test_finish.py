"""What came of a POST: late answers, stale attempts, proof of non-delivery, refused credentials."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from dispatcher.accounts import blocking, provider_clock, send_guard
from dispatcher.db.statements import query
from dispatcher.errors import (
    AccountBlocked,
    CredentialsRefused,
    InDoubt,
    NotDelivered,
    ProviderError,
    SendRefusedByGuard,
)
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.sending import claims as claims_module
from dispatcher.sending import pump as sending_pump
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness


def test_a_late_ok_counts_after_the_lease_ran_out(core: CoreHarness) -> None:
    campaign = core.load(3)
    claim = core.claim()
    core.expire_lease(claim)
    assert core.statuses(campaign) == {"in_doubt": 3}
    assert claims_module.finish_accepted(core.engine, claim) == "accepted"
    chunk = core.chunk(claim)
    assert (chunk.lease_until, chunk.doubt_since, chunk.doubt_reason) == (None, None, None)
    assert core.one("SELECT outcome FROM attempt") == "accepted"


def test_a_stale_attempt_changes_nothing(core: CoreHarness) -> None:
    campaign = core.load(3)
    first = core.claim()
    claims_module.finish_undelivered(core.engine, first, NotDelivered())
    core.do("UPDATE account SET retry_at = NULL")
    second = core.claim()
    assert second.attempt == first.attempt + 1
    before = core.chunk(second)
    assert claims_module.finish_accepted(core.engine, first) is None
    assert claims_module.finish_undelivered(core.engine, first, NotDelivered()) is None
    assert claims_module.finish_in_doubt(core.engine, first, InDoubt()) is None
    assert core.chunk(second) == before
    assert core.statuses(campaign) == {"submitted": 3}
    assert claims_module.finish_accepted(core.engine, second) == "accepted"


def test_an_answer_is_counted_once(core: CoreHarness) -> None:
    core.load(3)
    claim = core.send()
    assert claims_module.finish_accepted(core.engine, claim) is None
    assert claims_module.finish_undelivered(core.engine, claim, NotDelivered()) is None
    assert core.chunk(claim).state == "accepted"


def test_a_live_lease_is_left_alone(core: CoreHarness) -> None:
    core.load(3)
    claim = core.claim()
    with core.engine.begin() as connection:
        assert claims_module.rescue(connection, core.settings, core.account.id) == 0
    assert core.chunk(claim).state == "sending"


def test_what_was_not_delivered_is_due_again_and_the_account_backs_off(core: CoreHarness) -> None:
    campaign = core.load(3)
    steps = []
    for _ in range(12):
        claim = core.claim()
        assert claims_module.finish_undelivered(core.engine, claim, NotDelivered()) == "due"
        assert isinstance(core.try_claim(), claims_module.Defer)
        steps.append(core.one("SELECT retry_at - clock_timestamp() FROM account"))
        core.do("UPDATE account SET retry_at = clock_timestamp() - interval '1 millisecond'")
    seconds = [step.total_seconds() for step in steps]
    assert seconds[0] <= 1
    assert seconds[1] > 1
    assert 256 < seconds[-1] <= 300
    assert core.statuses(campaign) == {"pending": 3}
    assert core.one("SELECT count(*) FROM attempt WHERE outcome = 'not_delivered'") == 12


def test_posts_that_failed_together_are_one_step_of_backoff(make_core: Callable[..., CoreHarness]) -> None:
    core = make_core(chunk_size=1, concurrency=4)
    core.load(4)
    for claim in [core.claim() for _ in range(4)]:
        claims_module.finish_undelivered(core.engine, claim, NotDelivered())
    assert core.account_row().failures == 1


def test_success_ends_the_backoff(core: CoreHarness) -> None:
    core.load(20)
    claims_module.finish_undelivered(core.engine, core.claim(), NotDelivered())
    core.do("UPDATE account SET retry_at = clock_timestamp()")
    core.send()
    assert (core.account_row().failures, core.account_row().retry_at) == (0, None)


def wait_long(core: CoreHarness) -> None:
    """The account and its polls wait for minutes, as after an hour of failures."""
    core.do(
        "UPDATE account SET failures = 9, retry_at = clock_timestamp() + interval '5 minutes', "
        "poll_failures = 9, poll_at = clock_timestamp() + interval '5 minutes'"
    )


def test_a_provider_that_tells_the_time_again_is_posted_to_and_polled_at_once(core: CoreHarness) -> None:
    core.load(20)
    claims_module.finish_undelivered(core.engine, core.claim(), NotDelivered())
    wait_long(core)
    assert isinstance(core.try_claim(), claims_module.Defer)
    provider_clock.measure(core.runtime, core.account.id)
    assert core.one("SELECT poll_at <= clock_timestamp() FROM account")
    claims_module.finish_undelivered(core.engine, core.claim(), NotDelivered())
    assert core.one("SELECT retry_at - clock_timestamp() FROM account") > timedelta(minutes=4), (
        "one try, not a new start"
    )


def test_the_time_of_day_ends_neither_a_block_nor_a_trial_nor_the_wait_between_idle_polls(
    make_core: Callable[..., CoreHarness],
) -> None:
    core = make_core(chunk_size=1, concurrency=4)
    core.load(5)
    for claim in [core.claim() for _ in range(3)]:
        claims_module.finish_in_doubt(core.engine, claim, InDoubt())
    wait_long(core)
    core.do("UPDATE account SET poll_failures = 0")
    provider_clock.measure(core.runtime, core.account.id)
    assert isinstance(core.try_claim(), claims_module.Defer)
    assert core.one("SELECT poll_at > clock_timestamp() + interval '4 minutes' FROM account")
    core.do("UPDATE account SET retry_at = NULL")
    claims_module.finish_undelivered(core.engine, core.claim(), CredentialsRefused(words="Clave incorrecta"))
    core.do("UPDATE chunk SET state = 'accepted', accepted_at = now() WHERE state = 'in_doubt'")
    wait_long(core)
    provider_clock.measure(core.runtime, core.account.id)
    assert isinstance(core.try_claim(), claims_module.Defer)


def test_a_clock_that_was_stepped_back_delays_nothing(core: CoreHarness) -> None:
    campaign = core.load(10)
    claim = core.claim()
    hour = "clock_timestamp() + interval '1 hour'"
    core.do(
        f"UPDATE account SET poll_at = {hour}, retry_at = {hour}, poll_lease_until = {hour}, probe_free_at = {hour}, "
        f"rate_free_at = {hour}, clock_ask_at = {hour}, clock_measured_at = {hour}"
    )
    core.do(f"UPDATE chunk SET lease_until = {hour} WHERE state = 'sending'")
    hints = maintenance_tick.tick(core.runtime)
    assert hints.clock
    assert core.statuses(campaign) == {"in_doubt": 10}
    assert claims_module.finish_accepted(core.engine, claim) == "accepted"
    provider_clock.refresh(core.runtime, core.account.id)
    ahead = "SELECT greatest(poll_at, retry_at, poll_lease_until, probe_free_at, rate_free_at) > clock_timestamp()"
    assert not core.one(f"{ahead} + interval '2 seconds' FROM account")


def test_a_provider_that_swallows_calls_is_asked_for_its_date_one_call_at_a_time(
    make_core: Callable[..., CoreHarness], simulator: SimulatorProcess
) -> None:
    core = make_core(provider_timeout=1)
    core.load(1)
    core.do("UPDATE account SET clock_measured_at = clock_measured_at - interval '2 minutes'")
    assert maintenance_tick.tick(core.runtime).clock
    simulator.set_faults({"kind": "hang", "endpoint": "date", "seconds": 5})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: provider_clock.refresh(core.runtime, core.account.id), range(4)))
    assert simulator.stats()["calls"]["date"] == 2, "one for the core's own measurement, one for these four"
    assert not maintenance_tick.tick(core.runtime).clock, "not at once again"
    core.do("UPDATE account SET clock_measured_at = NULL, clock_low_ms = NULL, clock_high_ms = NULL")
    hints = maintenance_tick.tick(core.runtime)
    assert (hints.submits, hints.clock) == (1, False), "the pump asks"
    sending_pump.pump(core.runtime, core.account.id)
    assert simulator.stats()["calls"]["date"] == 2, "not even when nothing is known"
    simulator.clear_faults()
    core.do("UPDATE account SET clock_ask_at = clock_timestamp()")
    sending_pump.pump(core.runtime, core.account.id)
    assert core.one("SELECT clock_measured_at > clock_timestamp() - interval '10 seconds' FROM account")


def test_refused_credentials_block_the_account_and_lose_nothing(core: CoreHarness) -> None:
    campaign = core.load(3)
    words = "Usuario o clave incorrectos"
    assert claims_module.finish_undelivered(core.engine, core.claim(), CredentialsRefused(words=words)) == "due"
    row = core.account_row()
    assert (row.blocked_words, row.blocked_at is not None) == (words, True)
    assert core.statuses(campaign) == {"pending": 3}
    waiting = core.try_claim()
    assert isinstance(waiting, claims_module.Defer)
    assert waiting.why == "blocked"
    core.do("UPDATE account SET retry_at = clock_timestamp()")
    trial = core.claim()
    assert trial.trial
    claims_module.finish_accepted(core.engine, trial)
    assert core.account_row().blocked_at is None


def test_an_ok_for_what_was_posted_before_a_block_leaves_the_block(make_core: Callable[..., CoreHarness]) -> None:
    """A poll may find that the credit is gone while a POST is under way: its OK knows nothing of that."""
    core = make_core(chunk_size=1, concurrency=2)
    core.load(4)
    core.send()
    under_way = core.claim()
    core.do("UPDATE account SET poll_at = clock_timestamp() + interval '5 minutes', poll_misses = 3")
    with core.engine.begin() as connection:
        blocking.block(connection, core.account.id, "La apikey es incorrecta.")
    blocked = core.account_row()
    assert blocked.blocked_at is not None
    assert claims_module.finish_accepted(core.engine, under_way) == "accepted"
    after = core.account_row()
    assert (after.blocked_at, after.blocked_words) == (blocked.blocked_at, blocked.blocked_words)
    assert (after.failures, after.retry_at) == (blocked.failures, blocked.retry_at)
    assert after.poll_misses == 0
    assert core.one("SELECT poll_at < clock_timestamp() + interval '2 seconds' FROM account"), "its results come soon"
    assert isinstance(core.try_claim(), claims_module.Defer)
    core.do("UPDATE account SET retry_at = clock_timestamp()")
    trial = core.claim()
    with core.engine.begin() as connection:
        blocking.block(connection, core.account.id, "La apikey es incorrecta.")
    assert claims_module.finish_accepted(core.engine, trial) == "accepted"
    assert core.account_row().blocked_at is not None, "blocked again while the trial was under way"
    core.do("UPDATE account SET retry_at = clock_timestamp()")
    core.send()
    assert core.account_row().blocked_at is None


def test_a_block_that_commits_while_an_ok_waits_for_the_account_stays(core: CoreHarness) -> None:
    """The OK is judged by the row as it is once it is free, not as it was when the statement began."""
    core.load(10)
    claim = core.claim()
    core.do("UPDATE account SET poll_misses = 3, failures = 2")
    with ThreadPoolExecutor(1) as pool:
        with core.engine.begin() as connection:
            words = {"account_id": core.account.id, "words": "La apikey es incorrecta."}
            assert connection.execute(query("account_blocked"), words).first()
            finishing = pool.submit(claims_module.finish_accepted, core.engine, claim)
            wait_until(lambda: core.one("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
        assert finishing.result(20) == "accepted"
    row = core.account_row()
    assert (row.blocked_at is not None, row.failures, row.poll_misses) == (True, 3, 0)


def test_a_block_from_before_the_clock_was_stepped_back_ends_with_the_next_ok(core: CoreHarness) -> None:
    core.load(10)
    core.do(
        "UPDATE account SET blocked_at = clock_timestamp() + interval '1 hour', blocked_words = 'x', blocked_cause = 'answer'"
    )
    core.send()
    assert core.account_row().blocked_at is None


def test_words_about_credit_put_the_chunk_in_doubt_and_block(core: CoreHarness) -> None:
    """Part of the chunk may have been taken before the credit was gone."""
    campaign = core.load(3)
    assert (
        claims_module.finish_in_doubt(
            core.engine, core.claim(), AccountBlocked(words="se han agotado los 100 SMS contratados")
        )
        == "in_doubt"
    )
    assert core.account_row().blocked_at is not None
    assert core.statuses(campaign) == {"in_doubt": 3}


@pytest.mark.parametrize(
    ("finish", "error"),
    [
        (claims_module.finish_undelivered, CredentialsRefused(words="Usuario o clave incorrectos")),
        (claims_module.finish_in_doubt, AccountBlocked(words="1161880001: se han agotado los 100 SMS contratados")),
    ],
    ids=["refused", "in doubt"],
)
def test_a_block_is_told_once_not_at_each_trial(
    core: CoreHarness,
    caplog: pytest.LogCaptureFixture,
    finish: Callable[..., str | None],
    error: ProviderError,
) -> None:
    def told() -> list[str]:
        return [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]

    core.load(60)
    words = (error.words or "").removeprefix("1161880001: ")
    line = f"account_blocked account={core.account.id} words={words!r}"
    for _ in range(3):
        finish(core.engine, core.claim(), error)
        assert told() == [line]
        assert core.account_row().blocked_words == words
        core.do("UPDATE account SET retry_at = clock_timestamp()")
    trial = core.claim()
    assert trial.trial
    claims_module.finish_accepted(core.engine, trial)
    core.do("UPDATE account SET retry_at = NULL")
    finish(core.engine, core.claim(), error)
    assert told() == [line, line], "another block"


def test_refusals_that_come_together_are_one_block(
    make_core: Callable[..., CoreHarness], caplog: pytest.LogCaptureFixture
) -> None:
    core = make_core(chunk_size=1, concurrency=4)
    core.load(4)
    claims = [core.claim() for _ in range(4)]
    refused = CredentialsRefused(words="apikey incorrecta")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda claim: claims_module.finish_undelivered(core.engine, claim, refused), claims))
    assert [r.levelname for r in caplog.records if "account_blocked" in r.message] == ["ERROR"]
    assert core.account_row().failures == 4


def test_our_own_guard_costs_no_backoff(core: CoreHarness) -> None:
    core.load(3)
    assert claims_module.finish_undelivered(core.engine, core.claim(), SendRefusedByGuard()) == "due"
    assert core.account_row().failures == 0
    assert core.one("SELECT outcome FROM attempt") == "not_started"
    assert isinstance(core.try_claim(), claims_module.Claim)


def test_three_doubts_leave_one_trial_a_step(core: CoreHarness) -> None:
    core.load(60)
    for _ in range(3):
        claims_module.finish_in_doubt(core.engine, core.claim(), InDoubt())
    trial = core.claim()
    assert trial.trial
    assert isinstance(core.try_claim(), claims_module.Defer)
    claims_module.finish_in_doubt(core.engine, trial, InDoubt())
    waiting = core.try_claim()
    assert isinstance(waiting, claims_module.Defer)
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
    core: CoreHarness, simulator: SimulatorProcess, fault: dict[str, object], state: str, outcome: str
) -> None:
    campaign = core.load(4)
    assert core.account
    simulator.set_faults({**fault, "endpoint": "bulk", "times": 1})
    sending_pump.pump(core.runtime, core.account.id)
    assert core.states(campaign) == [state]
    assert core.rows("SELECT outcome FROM attempt ORDER BY attempt")[0].outcome == outcome
    assert len(list(simulator.posts())) == 1


def test_a_provider_that_is_not_there_is_proof_and_nothing_is_lost(
    core: CoreHarness, simulator: SimulatorProcess
) -> None:
    campaign = core.load(4)
    assert core.account
    simulator.set_faults({"kind": "refused", "seconds": 30})
    sending_pump.pump(core.runtime, core.account.id)
    assert core.states(campaign) == ["due"]
    simulator.clear_faults()
    core.do("UPDATE account SET retry_at = NULL")
    sending_pump.pump(core.runtime, core.account.id)
    assert core.states(campaign) == ["accepted"]
    assert simulator.sent()["lines"] == 4


def test_a_crash_of_our_own_is_a_doubt(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = core.load(4)
    assert core.account

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("something of ours")

    monkeypatch.setattr(core.runtime.provider, "send_bulk", crash)
    sending_pump.pump(core.runtime, core.account.id)
    assert core.states(campaign) == ["in_doubt"]


def test_too_little_lease_left_posts_nothing(
    core: CoreHarness, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was stopped between its claim and its POST finds its lease used up."""
    campaign = core.load(4)
    assert core.account
    real = send_guard.boot_clock
    monkeypatch.setattr(send_guard, "boot_clock", lambda: real() + 40.0)
    monkeypatch.setattr(claims_module, "finish_undelivered", lambda engine, claim, error: outcomes.append(error))
    outcomes: list[ProviderError | None] = []
    sending_pump._submit(core.runtime, core.claim())
    assert isinstance(outcomes[0], SendRefusedByGuard)
    assert list(simulator.posts()) == []
    assert core.states(campaign) == ["sending"]


def test_the_tick_finds_leases_that_ran_out(core: CoreHarness) -> None:
    campaign = core.load(4)
    core.claim()
    core.do("UPDATE chunk SET lease_until = clock_timestamp() - interval '1 second'")
    maintenance_tick.tick(core.runtime)
    assert core.states(campaign) == ["in_doubt"]
    assert core.one("SELECT outcome FROM attempt") == "lost"


def test_accepted_without_results_is_unknown_after_the_horizon_and_a_working_poll(core: CoreHarness) -> None:
    campaign = core.load(4)
    core.send()
    core.do("UPDATE chunk SET posted_at = clock_timestamp() - interval '2 days'")
    maintenance_tick.tick(core.runtime)
    assert core.states(campaign) == ["accepted"]  # no poll has worked since
    core.do("UPDATE account SET polled_at = clock_timestamp()")
    maintenance_tick.tick(core.runtime)
    assert core.states(campaign) == ["settled"]
    assert core.statuses(campaign) == {"unknown": 4}
    assert core.state(campaign) == "completed"
    core.check_sums(campaign)


def test_a_lease_outlives_the_longest_call(core: CoreHarness) -> None:
    core.load(1)
    claim = core.claim()
    timeout = core.settings.provider_timeout
    assert claim.lease_ends - claim.claimed_at == pytest.approx(timeout + 30)
    left = core.one("SELECT lease_until - clock_timestamp() FROM chunk")
    assert timedelta(seconds=timeout + 25) < left <= timedelta(seconds=timeout + 30)
