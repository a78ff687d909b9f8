"""Claims: one claimer a chunk, and every brake checked before it."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Thread

import pytest

from dispatcher import campaigns, chunks, submit, upkeep
from dispatcher.chunks import Claim, NothingToSend, Wait
from dispatcher.errors import UsageError
from dispatcher.window import PROVIDER_ZONE
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.bench import Bench

Make = Callable[..., Bench]


def why(found: object) -> str:
    """Why nothing was claimed."""
    assert isinstance(found, Wait), found
    return found.why


def test_two_claimers_never_get_the_same_chunk(make_bench: Make) -> None:
    bench = make_bench(chunk_size=5, concurrency=64)
    bench.load(200)
    claims: list[Claim] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while isinstance(found := bench.try_claim(), Claim):
                claims.append(found)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert Counter(claim.chunk_no for claim in claims) == Counter(range(1, 41))
    assert {claim.attempt for claim in claims} == {1}
    lines = [line for claim in claims for line in claim.bloque.split(b"\r\n")]
    assert len(lines) == len(set(lines)) == 200


def test_a_chunk_goes_out_in_the_guides_form(bench: Bench) -> None:
    campaign = bench.load(recipients=[{"telefono": "1144445555", "n": "José, 50% ñ"}], template="Hola {n}: a,b; 100%")
    claim = bench.claim()
    assert claim.bloque.decode() == f"{bench.reference(campaign, 1)}\t1144445555\tHola Jose, 50% n: a,b; 100%"


def test_the_claim_is_committed_before_anything_is_sent(bench: Bench) -> None:
    bench.load(10)
    claim = bench.claim()
    chunk = bench.chunk(claim)
    assert (chunk.state, chunk.attempt) == ("sending", 1)
    assert chunk.first_post_at is not None
    assert bench.rows("SELECT attempt, messages, outcome FROM attempt") == [(1, 10, None)]


@pytest.mark.parametrize("slots", [1, 3])
def test_no_more_posts_in_flight_than_slots(make_bench: Make, slots: int) -> None:
    bench = make_bench(chunk_size=1, concurrency=slots)
    bench.load(5)
    claims = [bench.claim() for _ in range(slots)]
    assert why(bench.try_claim()) == "every slot is taken"
    chunks.finish_accepted(bench.engine, claims[0])
    assert isinstance(bench.try_claim(), Claim)


def test_the_rate_holds_over_all_claimers(make_bench: Make) -> None:
    bench = make_bench(chunk_size=1000, concurrency=8, rate=60)
    bench.load(200)
    first = bench.claim()
    assert first.lines == 60  # a chunk is never more than a minute's worth
    waiting = bench.try_claim()
    assert why(waiting) == "rate"
    free_in = bench.one("SELECT rate_free_at - clock_timestamp() FROM account")
    assert timedelta(seconds=58) < free_in <= timedelta(seconds=60)
    bench.do("UPDATE account SET rate_free_at = clock_timestamp() - interval '1 ms'")
    assert isinstance(bench.try_claim(), Claim)


@pytest.mark.parametrize(
    ("clock", "goes"),
    [
        ("07:59:50", False),
        ("08:00:05", True),
        ("21:58:50", True),
        ("21:59:01", False),
        ("22:00:00", False),
        ("03:00:00", False),
    ],
)
def test_the_providers_clock_opens_and_closes_the_window(
    make_bench: Make, simulator: SimulatorProcess, clock: str, goes: bool
) -> None:
    """The provider lives in another year than this machine: only its clock counts."""
    simulator.set_clock(at=f"2031-05-05 {clock}")
    bench = make_bench(window="08:00-22:00", window_guard=60)
    bench.load(1)
    found = bench.try_claim()
    assert isinstance(found, Claim) is goes, found
    if not goes:
        assert why(found) == "the window is closed"


def test_without_a_clock_there_is_no_claim(bench: Bench) -> None:
    bench.load(1)
    bench.do("UPDATE account SET clock_low_ms = NULL")
    assert why(bench.try_claim()) == "the provider's clock is not measured"


def test_an_old_or_stepped_clock_is_no_clock(bench: Bench) -> None:
    bench.load(1)
    bench.do("UPDATE account SET clock_anchor_ms = clock_anchor_ms + 10000")
    assert why(bench.try_claim()) == "the provider's clock is not measured"
    bench.do("UPDATE account SET clock_anchor_ms = NULL, clock_measured_at = clock_timestamp() - interval '1 day'")
    assert why(bench.try_claim()) == "the provider's clock is not measured"


def test_a_provider_without_a_date_gets_no_post(bench: Bench, simulator: SimulatorProcess) -> None:
    campaign = bench.load(1)
    bench.do("UPDATE account SET clock_low_ms = NULL")
    simulator.set_faults({"kind": "html", "endpoint": "date"})
    assert submit.pump(bench.runtime, bench.account.id) is False
    assert list(simulator.posts()) == []
    assert bench.states(campaign) == ["due"]


def test_nothing_goes_before_fechadesde(bench: Bench, simulator: SimulatorProcess) -> None:
    now = datetime.now(PROVIDER_ZONE)
    bench.load(1, start=(now + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S"))
    assert why(bench.try_claim()) == "nothing is due"
    simulator.set_clock(advance=301)
    submit.accounts.measure_clock(bench.runtime, bench.account.id)
    assert isinstance(bench.try_claim(), Claim)


def test_nothing_goes_after_the_deadline_and_what_is_left_expires(bench: Bench, simulator: SimulatorProcess) -> None:
    now = datetime.now(PROVIDER_ZONE)
    campaign = bench.load(20, expires=(now + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S"))
    bench.send()
    simulator.set_clock(advance=300)
    submit.accounts.measure_clock(bench.runtime, bench.account.id)
    assert why(bench.try_claim()) == "nothing is due"
    upkeep.tick(bench.runtime)
    assert bench.statuses(campaign) == {"submitted": 10, "expired": 10}
    bench.check_sums(campaign)


def test_no_deadline_passes_by_a_clock_that_does_not_hold(bench: Bench) -> None:
    """The database's clock was stepped an hour ahead: what expires never comes back, so it must not."""
    now = datetime.now(PROVIDER_ZONE)
    campaign = bench.load(20, expires=(now + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S"))
    hour = 3_600_000
    bench.do(
        "UPDATE account SET clock_low_ms = clock_low_ms + :ms, clock_high_ms = clock_high_ms + :ms, "
        "clock_anchor_ms = clock_anchor_ms - :ms",
        ms=hour,
    )
    upkeep.tick(bench.runtime)
    bench.do("UPDATE account SET clock_low_ms = NULL, clock_high_ms = NULL, clock_measured_at = NULL")
    upkeep.tick(bench.runtime)
    assert bench.statuses(campaign) == {"pending": 20}


def test_a_paused_campaign_waits_and_resumes(bench: Bench) -> None:
    campaign = bench.load(20)
    assert campaigns.pause(bench.engine, campaign, wait=0).state == "paused"
    assert why(bench.try_claim()) == "nothing is due"
    assert campaigns.resume(bench.engine, campaign).state == "scheduled"
    bench.claim()
    halted = campaigns.pause(bench.engine, campaign, wait=0)
    assert (halted.state, halted.in_flight) == ("paused", 1)
    assert campaigns.resume(bench.engine, campaign).state == "running"


def test_pause_returns_once_earlier_claims_have_finished(bench: Bench) -> None:
    campaign = bench.load(20)
    claim = bench.claim()
    answers: list[campaigns.Halted] = []
    pausing = Thread(target=lambda: answers.append(campaigns.pause(bench.engine, campaign, wait=20)))
    pausing.start()
    wait_until(lambda: bench.state(campaign) == "paused")
    assert answers == []
    chunks.finish_accepted(bench.engine, claim)
    pausing.join(10)
    assert [(a.state, a.in_flight) for a in answers] == [("paused", 0)]


def test_a_cancelled_campaign_sends_nothing_more_and_keeps_its_results(bench: Bench) -> None:
    campaign = bench.load(20)
    claim = bench.claim()
    halted = campaigns.cancel(bench.engine, campaign, wait=0)
    assert (halted.state, halted.in_flight) == ("cancelled", 1)
    assert bench.statuses(campaign) == {"submitted": 10, "cancelled": 10}
    chunks.finish_undelivered(bench.engine, claim, chunks.SendRefusedByGuard())
    assert why(bench.try_claim()) == "nothing is due"
    upkeep.tick(bench.runtime)
    assert bench.statuses(campaign) == {"cancelled": 20}
    with pytest.raises(UsageError, match="cancelled"):
        campaigns.resume(bench.engine, campaign)
    bench.check_sums(campaign)


def test_an_opt_out_between_loading_and_claim_is_not_sent(bench: Bench) -> None:
    campaign = bench.load(10)
    bench.do("INSERT INTO optout (destino, source) SELECT destino, 'test' FROM message WHERE seq IN (2, 5)")
    claim = bench.claim()
    assert claim.lines == 8
    for seq in (2, 5):
        assert bench.reference(campaign, seq).encode() not in claim.bloque
    assert bench.statuses(campaign) == {"submitted": 8, "suppressed": 2}
    bench.check_sums(campaign)
    chunks.finish_accepted(bench.engine, claim)
    bench.settle(*((bench.reference(campaign, seq), "OK") for seq in range(1, 11) if seq not in (2, 5)))
    assert bench.states(campaign) == ["settled"]


def test_a_chunk_of_opt_outs_alone_is_never_posted(bench: Bench, simulator: SimulatorProcess) -> None:
    campaign = bench.load(20)
    bench.do("INSERT INTO optout (destino, source) SELECT destino, 'test' FROM message WHERE seq <= 10")
    assert isinstance(bench.try_claim(), NothingToSend)
    submit.pump(bench.runtime, bench.account.id)
    assert bench.states(campaign) == ["settled", "accepted"]
    assert len(list(simulator.posts())) == 1
    bench.check_sums(campaign)


def test_a_campaign_of_opt_outs_alone_completes_without_a_post(bench: Bench, simulator: SimulatorProcess) -> None:
    assert bench.account
    bench.do("INSERT INTO optout (destino, source) VALUES ('1120000000', 'test')")
    campaign = bench.load(1)
    submit.pump(bench.runtime, bench.account.id)
    upkeep.tick(bench.runtime)
    assert bench.state(campaign) == "completed"
    assert bench.statuses(campaign) == {"suppressed": 1}
    assert list(simulator.posts()) == []


def claimed(bench: Bench, claims: int) -> list[int]:
    """Campaigns in the order of their claims."""
    order = []
    for _ in range(claims):
        claim = bench.send()
        order.append(claim.campaign_id)
    return order


def test_priorities_are_weighted_six_three_one(make_bench: Make) -> None:
    bench = make_bench(chunk_size=1)
    ids = {priority: bench.load(40, priority=priority, name=priority) for priority in ("low", "normal", "high")}
    counted = Counter(claimed(bench, 20))
    assert {priority: counted[ids[priority]] for priority in ids} == {"high": 12, "normal": 6, "low": 2}


def test_within_a_priority_it_goes_round_robin(make_bench: Make) -> None:
    bench = make_bench(chunk_size=1)
    ids = [bench.load(10) for _ in range(3)]
    order = claimed(bench, 12)
    assert Counter(order) == dict.fromkeys(ids, 4)
    assert all(set(order[at : at + 3]) == set(ids) for at in range(0, 12, 3))


def test_small_campaigns_that_keep_coming_starve_no_older_one(make_bench: Make) -> None:
    bench = make_bench(chunk_size=1)
    old = bench.load(10)
    claimed(bench, 1)
    order = []
    for _ in range(8):
        bench.load(1)
        order += claimed(bench, 1)
    assert order.count(old) >= 3


def test_a_late_urgent_campaign_overtakes(make_bench: Make) -> None:
    bench = make_bench(chunk_size=1)
    bench.load(30, priority="low")
    claimed(bench, 5)
    urgent = bench.load(3, priority="high")
    assert claimed(bench, 5).count(urgent) == 3


def test_no_class_leaves_a_slot_empty_while_another_has_work(make_bench: Make) -> None:
    bench = make_bench(chunk_size=1)
    campaign = bench.load(12, priority="low")
    assert claimed(bench, 12) == [campaign] * 12


def test_another_key_claims_nothing(make_bench: Make) -> None:
    bench = make_bench(chunk_size=10)
    campaign = bench.load(1)
    stranger = make_bench(apikey="OTHER")
    assert why(chunks.claim_next(stranger.engine, stranger.settings, bench.account.id, "0" * 16)) == (
        "the configured key is not this account's"
    )
    assert submit.pump(stranger.runtime, bench.account.id) is False
    assert upkeep.tick(stranger.runtime).submits == 0
    with pytest.raises(UsageError, match="another API key"):
        stranger.load(1)
    assert bench.states(campaign) == ["due"]


def test_a_test_campaign_is_posted_as_a_test(bench: Bench, simulator: SimulatorProcess) -> None:
    bench.load(1, test=True)
    submit.pump(bench.runtime, bench.account.id)
    assert [post["test"] for post in simulator.posts()] == [True]


def test_an_exception_from_the_claims_commit_posts_nothing(bench: Bench, simulator: SimulatorProcess) -> None:
    campaign = bench.load(1)
    assert bench.account
    bench.do("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no commit'; END $$")
    bench.do(
        "CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON attempt DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    with pytest.raises(Exception, match="no commit"):
        submit.pump(bench.runtime, bench.account.id)
    assert list(simulator.posts()) == []
    assert bench.states(campaign) == ["due"]


@pytest.mark.parametrize(("method", "by_get"), [("post", False), ("auto", True)])
def test_a_small_chunk_goes_by_get_only_when_told_to(
    method: str, by_get: bool, make_bench: Make, simulator: SimulatorProcess
) -> None:
    bench = make_bench(chunk_size=3, bulk_method=method)
    bench.load(3)
    assert not submit.pump(bench.runtime, bench.account.id)
    (post,) = simulator.posts()
    assert post["taken"] == 3
    assert (post["bytes"] == 0) == by_get
