"""Whether a chunk may be claimed now: each reason to wait alone, and the rate as a bound over any span."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.accounts import provider_clock
from dispatcher.accounts.provider_clock import ProviderClock
from dispatcher.domain.window import Window
from dispatcher.sending import admission
from dispatcher.sending.admission import Admit, Conditions, Defer, decide

NOON = datetime(2026, 3, 10, 15, tzinfo=UTC)  # 12:00 at the provider
SECOND = timedelta(seconds=1)
CLOCK = ProviderClock(low_ms=-200, high_ms=900, measured_at=NOON)
FREE = Conditions(
    db_now=NOON,
    clock=CLOCK,
    window=Window.parse("08:00-22:00", guard=60),
    in_flight=0,
    concurrency=2,
    doubts=0,
    failures=0,
    retry_at=None,
    blocked=False,
    stale=None,
    rate_free_at=None,
)


def test_a_free_account_goes_with_the_bounds_of_the_providers_clock() -> None:
    decision = decide(FREE)
    assert decision == Admit(
        NOON - 0.2 * SECOND, NOON + 0.9 * SECOND, closed=["2026-03-10"], trial=False, retry_at=None
    )


def test_all_slots_taken_waits_for_one_to_end() -> None:
    assert isinstance(decide(replace(FREE, in_flight=1)), Admit)
    assert decide(replace(FREE, in_flight=2)) == Defer("every slot is taken")


@pytest.mark.parametrize("blocked", [True, False])
def test_a_backoff_lasts_until_its_end(blocked: bool) -> None:
    waiting = replace(FREE, retry_at=NOON + SECOND, blocked=blocked)
    assert decide(waiting) == Defer("blocked" if blocked else "backing off", NOON + SECOND)
    assert isinstance(decide(replace(waiting, retry_at=NOON)), Admit)


def test_the_rate_holds_until_its_tokens_are_back() -> None:
    assert decide(replace(FREE, rate_free_at=NOON + SECOND)) == Defer("rate", NOON + SECOND)
    assert isinstance(decide(replace(FREE, rate_free_at=NOON)), Admit)


@pytest.mark.parametrize(("seconds", "brief"), [(0.2, True), (1.2, True), (1.4, False)])
def test_a_pump_waits_itself_for_a_rate_that_is_free_before_the_next_tick_s_pump(seconds: float, brief: bool) -> None:
    decision = decide(replace(FREE, rate_free_at=NOON + seconds * SECOND))
    assert isinstance(decision, Defer)
    assert decision.brief is brief


def test_a_pump_waits_for_nothing_but_the_rate() -> None:
    decision = decide(replace(FREE, retry_at=NOON + 0.2 * SECOND))
    assert isinstance(decision, Defer)
    assert not decision.brief


def at_provider(hour: int, minute: int = 0, second: float = 0) -> datetime:
    return NOON.replace(hour=0) + timedelta(hours=hour + 3, minutes=minute, seconds=second)


@pytest.mark.parametrize(
    ("now", "goes"),
    [
        (at_provider(7, 59, 59.9), False),
        (at_provider(8, 0, 0.1), False),  # it may still be 07:59:59.9 there
        (at_provider(8, 0, 0.2), True),
        (at_provider(21, 58, 59), True),
        (at_provider(21, 58, 59.1), False),  # it may be 21:59 there already
        (at_provider(3), False),
    ],
)
def test_the_window_is_judged_by_both_bounds_of_the_providers_clock(now: datetime, goes: bool) -> None:
    decision = decide(replace(FREE, db_now=now))
    assert isinstance(decision, Admit) is goes
    if isinstance(decision, Defer):
        assert decision.until is not None
        assert decision.until > now
        later = decide(replace(FREE, db_now=decision.until + 2 * SECOND))
        assert isinstance(later, Admit)


def test_three_doubts_allow_one_trial_at_a_time() -> None:
    assert decide(replace(FREE, doubts=2, in_flight=1)) == decide(replace(FREE, in_flight=1))
    trial = decide(replace(FREE, doubts=3))
    assert isinstance(trial, Admit)
    assert trial.trial
    assert trial.retry_at is not None
    assert trial.retry_at > NOON
    assert decide(replace(FREE, doubts=3, in_flight=1)) == Defer("a trial is under way")


def test_a_blocked_account_tries_once_a_step() -> None:
    trial = decide(replace(FREE, blocked=True))
    assert isinstance(trial, Admit)
    assert trial.trial
    assert trial.retry_at is not None
    assert trial.retry_at >= NOON + 5 * SECOND
    assert isinstance(decide(replace(FREE, blocked=True, in_flight=1)), Defer)


def test_a_trial_waits_longer_after_each_failure() -> None:
    steps = []
    for failures in range(40):
        trial = decide(replace(FREE, doubts=3, failures=failures))
        assert isinstance(trial, Admit)
        assert trial.retry_at is not None
        steps.append((trial.retry_at - NOON).total_seconds())
    assert steps[:5] == [1, 1, 2, 4, 8]
    assert steps[-1] == 300
    assert steps == sorted(steps)


@given(
    st.integers(1, 500),
    st.lists(st.tuples(st.integers(1, 300), st.floats(0, 600)), min_size=1, max_size=60),
    st.integers(1, 12),
)
@settings(deadline=None)
def test_any_m_minutes_carry_at_most_rate_times_m_and_one_chunk(
    rate: int, chunks: list[tuple[int, float]], minutes: int
) -> None:
    """Chunks go as soon as they may after an idle time of any length."""
    now, free_at = NOON, None
    went: list[tuple[datetime, int]] = []
    for messages, idle in chunks:
        now += timedelta(seconds=idle)
        state = replace(FREE, db_now=now, rate_free_at=free_at, window=Window.parse("00:00-24:00"))
        decision = decide(state)
        if isinstance(decision, Defer):
            assert decision.until is not None
            now = decision.until
            assert isinstance(decide(replace(state, db_now=now)), Admit)
        went.append((now, messages))
        free_at = admission.rate_free_at(now, free_at, messages, rate)
    for begin, _ in went:
        span = [n for moment, n in went if begin <= moment < begin + timedelta(minutes=minutes)]
        assert sum(span) <= rate * minutes + max(span)


def test_no_rate_is_no_limit() -> None:
    assert admission.rate_free_at(NOON, NOON + SECOND, 1000, 0) is None


def test_ten_turns_give_the_priorities_six_three_and_one() -> None:
    for start in (0, 7, 1_000_003):
        first = [admission.wheel(turn)[0] for turn in range(start, start + 10)]
        assert {p: first.count(p) for p in admission.PRIORITIES} == {"high": 6, "normal": 3, "low": 1}


@given(st.integers(0, 10**12))
def test_every_priority_gets_its_turn_when_the_others_have_nothing(turn: int) -> None:
    assert sorted(admission.wheel(turn)) == sorted(admission.PRIORITIES)


HOUR = timedelta(hours=1)


def measured(at: datetime, host: str = "here", boot: float = 1000.0) -> ProviderClock:
    return ProviderClock(0, 0, at, host, provider_clock.clock_anchor_ms(at, boot))


def test_a_measurement_is_trusted_for_a_while() -> None:
    clock = measured(NOON)
    assert clock.trustworthy(NOON + 60 * SECOND, "here", 1060.0)
    assert not clock.trustworthy(NOON + HOUR, "here", 1000.0 + 3600)


@pytest.mark.parametrize("step", [-3600.0, -5.0, 5.0, 3600.0])
def test_a_step_of_the_clock_ends_the_trust(step: float) -> None:
    clock = measured(NOON)
    assert not clock.trustworthy(NOON + timedelta(seconds=10 + step), "here", 1010.0)


def test_a_measurement_from_the_future_is_not_trusted() -> None:
    assert not measured(NOON).trustworthy(NOON - SECOND, "elsewhere", 5.0)
