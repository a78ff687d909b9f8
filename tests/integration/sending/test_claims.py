"""Claims: one claimer a chunk, and every reason to wait checked before it."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest

from dispatcher.campaigns import lifecycle
from dispatcher.db.statements import query
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import UsageError
from dispatcher.maintenance import tick as maintenance_tick
from dispatcher.sending import claims as claims_module
from dispatcher.sending import pump as sending_pump
from dispatcher.sending.claims import Claim, Defer, NothingToSend
from ops.simulator.process import SimulatorProcess
from tests.conftest import wait_until
from tests.integration.core_harness import CoreHarness

Make = Callable[..., CoreHarness]


def why(found: object) -> str:
    """Why nothing was claimed."""
    assert isinstance(found, Defer), found
    return found.why


def test_two_claimers_never_get_the_same_chunk(make_core: Make) -> None:
    core = make_core(chunk_size=5, concurrency=64)
    core.load(200)
    claims: list[Claim] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while isinstance(found := core.try_claim(), Claim):
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


def test_a_chunk_goes_out_in_the_guides_form(core: CoreHarness) -> None:
    campaign = core.load(recipients=[{"telefono": "1144445555", "n": "José, 50% ñ"}], template="Hola {n}: a,b; 100%")
    claim = core.claim()
    assert claim.bloque.decode() == f"{core.reference(campaign, 1)}\t1144445555\tHola Jose, 50% n: a,b; 100%"


def test_the_claim_is_committed_before_anything_is_sent(core: CoreHarness) -> None:
    core.load(10)
    claim = core.claim()
    chunk = core.chunk(claim)
    assert (chunk.state, chunk.attempt) == ("sending", 1)
    assert chunk.first_post_at is not None
    assert core.rows("SELECT attempt, messages, outcome FROM attempt") == [(1, 10, None)]


@pytest.mark.parametrize("slots", [1, 3])
def test_no_more_posts_in_flight_than_slots(make_core: Make, slots: int) -> None:
    core = make_core(chunk_size=1, concurrency=slots)
    core.load(5)
    claims = [core.claim() for _ in range(slots)]
    assert why(core.try_claim()) == "every slot is taken"
    claims_module.finish_accepted(core.engine, claims[0])
    assert isinstance(core.try_claim(), Claim)


def test_the_rate_holds_over_all_claimers(make_core: Make) -> None:
    core = make_core(chunk_size=1000, concurrency=8, rate=60)
    core.load(200)
    first = core.claim()
    assert first.lines == 60  # a chunk is never more than a minute's worth
    waiting = core.try_claim()
    assert why(waiting) == "rate"
    free_in = core.one("SELECT rate_free_at - clock_timestamp() FROM account")
    assert timedelta(seconds=58) < free_in <= timedelta(seconds=60)
    core.do("UPDATE account SET rate_free_at = clock_timestamp() - interval '1 ms'")
    assert isinstance(core.try_claim(), Claim)


def test_a_campaigns_own_rate_holds_over_all_claimers_and_holds_no_other_up(make_core: Make) -> None:
    core = make_core(chunk_size=1000, concurrency=8)
    slow = core.load(200, rate=60)
    first = core.claim()
    assert (first.campaign_id, first.lines) == (slow, 60)
    assert why(core.try_claim()) == "nothing is due"
    free_in = core.one("SELECT rate_free_at - clock_timestamp() FROM campaign")
    assert timedelta(seconds=58) < free_in <= timedelta(seconds=60)
    free = core.load(10, [{"telefono": f"11{30_000_000 + n}", "n": "x"} for n in range(10)])
    assert core.claim().campaign_id == free
    core.do("UPDATE campaign SET rate_free_at = clock_timestamp() - interval '1 ms' WHERE rate IS NOT NULL")
    assert core.claim().campaign_id == slow


def test_while_its_rate_waits_a_campaign_starts_no_pump_and_grows_no_older(make_core: Make) -> None:
    core = make_core(chunk_size=1000)
    core.load(200, rate=60)
    claims_module.finish_accepted(core.engine, core.claim())
    assert maintenance_tick.tick(core.runtime).submits == 0
    now = datetime.now(UTC)
    clock = {"account_id": core.account.id, "closed": [], "day_began": now, "earliest": now, "latest": now}
    with core.engine.connect() as connection:
        assert connection.execute(query("claimable_since"), clock).first() is None
    core.do("UPDATE campaign SET rate_free_at = clock_timestamp() - interval '1 second'")
    core.do("UPDATE chunk SET posted_at = posted_at - interval '1 hour' WHERE posted_at IS NOT NULL")
    assert maintenance_tick.tick(core.runtime).submits > 0
    with core.engine.connect() as connection:
        since = connection.execute(query("claimable_since"), clock).one().since
    assert datetime.now(UTC) - since < timedelta(seconds=30)


def test_a_step_back_of_the_clock_does_not_keep_a_campaign_with_a_rate_for_hours(make_core: Make) -> None:
    core = make_core(chunk_size=1000)
    core.load(200, rate=60)
    core.claim()
    core.do("UPDATE campaign SET rate_free_at = clock_timestamp() + interval '2 hours'")
    assert why(core.try_claim()) == "nothing is due"
    core.do("UPDATE campaign SET rate_free_at = clock_timestamp() + interval '3 hours'")
    assert isinstance(core.try_claim(), Claim)


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
    make_core: Make, simulator: SimulatorProcess, clock: str, goes: bool
) -> None:
    """The provider lives in another year than this machine: only its clock counts."""
    simulator.set_clock(at=f"2031-05-05 {clock}")
    core = make_core(window="08:00-22:00", window_guard=60)
    core.load(1)
    found = core.try_claim()
    assert isinstance(found, Claim) is goes, found
    if not goes:
        assert why(found) == "the window is closed"


def test_without_a_clock_there_is_no_claim(core: CoreHarness) -> None:
    core.load(1)
    core.do("UPDATE account SET clock_low_ms = NULL")
    assert why(core.try_claim()) == "the provider's clock is not measured"


def test_an_old_or_stepped_clock_is_no_clock(core: CoreHarness) -> None:
    core.load(1)
    core.do("UPDATE account SET clock_anchor_ms = clock_anchor_ms + 10000")
    assert why(core.try_claim()) == "the provider's clock is not measured"
    core.do("UPDATE account SET clock_anchor_ms = NULL, clock_measured_at = clock_timestamp() - interval '1 day'")
    assert why(core.try_claim()) == "the provider's clock is not measured"


def test_a_provider_without_a_date_gets_no_post(core: CoreHarness, simulator: SimulatorProcess) -> None:
    campaign = core.load(1)
    core.do("UPDATE account SET clock_low_ms = NULL")
    simulator.set_faults({"kind": "html", "endpoint": "date"})
    assert sending_pump.pump(core.runtime, core.account.id) is False
    assert list(simulator.posts()) == []
    assert core.states(campaign) == ["due"]


def test_nothing_goes_before_fechadesde(core: CoreHarness, simulator: SimulatorProcess) -> None:
    now = datetime.now(PROVIDER_ZONE)
    core.load(1, start=(now + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S"))
    assert why(core.try_claim()) == "nothing is due"
    simulator.set_clock(advance=301)
    sending_pump.provider_clock.measure(core.runtime, core.account.id)
    assert isinstance(core.try_claim(), Claim)


def test_nothing_goes_after_the_deadline_and_what_is_left_expires(
    core: CoreHarness, simulator: SimulatorProcess
) -> None:
    now = datetime.now(PROVIDER_ZONE)
    campaign = core.load(20, expires=(now + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S"))
    core.send()
    simulator.set_clock(advance=300)
    sending_pump.provider_clock.measure(core.runtime, core.account.id)
    assert why(core.try_claim()) == "nothing is due"
    maintenance_tick.tick(core.runtime)
    assert core.statuses(campaign) == {"submitted": 10, "expired": 10}
    core.check_sums(campaign)


def test_no_deadline_passes_by_a_clock_that_does_not_hold(core: CoreHarness) -> None:
    """The database's clock was stepped an hour ahead: what expires never comes back, so it must not."""
    now = datetime.now(PROVIDER_ZONE)
    campaign = core.load(20, expires=(now + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S"))
    hour = 3_600_000
    core.do(
        "UPDATE account SET clock_low_ms = clock_low_ms + :ms, clock_high_ms = clock_high_ms + :ms, "
        "clock_anchor_ms = clock_anchor_ms - :ms",
        ms=hour,
    )
    maintenance_tick.tick(core.runtime)
    core.do("UPDATE account SET clock_low_ms = NULL, clock_high_ms = NULL, clock_measured_at = NULL")
    maintenance_tick.tick(core.runtime)
    assert core.statuses(campaign) == {"pending": 20}


def test_a_paused_campaign_waits_and_resumes(core: CoreHarness) -> None:
    campaign = core.load(20)
    assert lifecycle.pause(core.engine, campaign, wait=0).state == "paused"
    assert why(core.try_claim()) == "nothing is due"
    assert lifecycle.resume(core.engine, campaign).state == "scheduled"
    core.claim()
    halted = lifecycle.pause(core.engine, campaign, wait=0)
    assert (halted.state, halted.in_flight) == ("paused", 1)
    assert lifecycle.resume(core.engine, campaign).state == "running"


def test_pause_returns_once_earlier_claims_have_finished(core: CoreHarness) -> None:
    campaign = core.load(20)
    claim = core.claim()
    answers: list[lifecycle.Halted] = []
    pausing = Thread(target=lambda: answers.append(lifecycle.pause(core.engine, campaign, wait=20)))
    pausing.start()
    wait_until(lambda: core.state(campaign) == "paused")
    assert answers == []
    claims_module.finish_accepted(core.engine, claim)
    pausing.join(10)
    assert [(a.state, a.in_flight) for a in answers] == [("paused", 0)]


def test_a_cancelled_campaign_sends_nothing_more_and_keeps_its_results(core: CoreHarness) -> None:
    campaign = core.load(20)
    claim = core.claim()
    halted = lifecycle.cancel(core.engine, campaign, wait=0)
    assert (halted.state, halted.in_flight) == ("cancelled", 1)
    assert core.statuses(campaign) == {"submitted": 10, "cancelled": 10}
    claims_module.finish_undelivered(core.engine, claim, claims_module.SendRefusedByGuard())
    assert why(core.try_claim()) == "nothing is due"
    maintenance_tick.tick(core.runtime)
    assert core.statuses(campaign) == {"cancelled": 20}
    with pytest.raises(UsageError, match="cancelled"):
        lifecycle.resume(core.engine, campaign)
    core.check_sums(campaign)


def test_an_opt_out_between_loading_and_claim_is_not_sent(core: CoreHarness) -> None:
    campaign = core.load(10)
    core.do("INSERT INTO optout (destino, source) SELECT destino, 'test' FROM message WHERE seq IN (2, 5)")
    claim = core.claim()
    assert claim.lines == 8
    for seq in (2, 5):
        assert core.reference(campaign, seq).encode() not in claim.bloque
    assert core.statuses(campaign) == {"submitted": 8, "suppressed": 2}
    core.check_sums(campaign)
    claims_module.finish_accepted(core.engine, claim)
    core.settle(*((core.reference(campaign, seq), "OK") for seq in range(1, 11) if seq not in (2, 5)))
    assert core.states(campaign) == ["settled"]


def test_a_chunk_of_opt_outs_alone_is_never_posted(core: CoreHarness, simulator: SimulatorProcess) -> None:
    campaign = core.load(20)
    core.do("INSERT INTO optout (destino, source) SELECT destino, 'test' FROM message WHERE seq <= 10")
    assert isinstance(core.try_claim(), NothingToSend)
    sending_pump.pump(core.runtime, core.account.id)
    assert core.states(campaign) == ["settled", "accepted"]
    assert len(list(simulator.posts())) == 1
    core.check_sums(campaign)


def test_a_campaign_of_opt_outs_alone_completes_without_a_post(core: CoreHarness, simulator: SimulatorProcess) -> None:
    assert core.account
    core.do("INSERT INTO optout (destino, source) VALUES ('1120000000', 'test')")
    campaign = core.load(1)
    sending_pump.pump(core.runtime, core.account.id)
    maintenance_tick.tick(core.runtime)
    assert core.state(campaign) == "completed"
    assert core.statuses(campaign) == {"suppressed": 1}
    assert list(simulator.posts()) == []


def claimed(core: CoreHarness, claims: int) -> list[int]:
    """Campaigns in the order of their claims."""
    order = []
    for _ in range(claims):
        claim = core.send()
        order.append(claim.campaign_id)
    return order


def test_priorities_are_weighted_six_three_one(make_core: Make) -> None:
    core = make_core(chunk_size=1)
    ids = {priority: core.load(40, priority=priority, name=priority) for priority in ("low", "normal", "high")}
    counted = Counter(claimed(core, 20))
    assert {priority: counted[ids[priority]] for priority in ids} == {"high": 12, "normal": 6, "low": 2}


def test_within_a_priority_it_goes_round_robin(make_core: Make) -> None:
    core = make_core(chunk_size=1)
    ids = [core.load(10) for _ in range(3)]
    order = claimed(core, 12)
    assert Counter(order) == dict.fromkeys(ids, 4)
    assert all(set(order[at : at + 3]) == set(ids) for at in range(0, 12, 3))


def test_small_campaigns_that_keep_coming_starve_no_older_one(make_core: Make) -> None:
    core = make_core(chunk_size=1)
    old = core.load(10)
    claimed(core, 1)
    order = []
    for _ in range(8):
        core.load(1)
        order += claimed(core, 1)
    assert order.count(old) >= 3


def test_a_late_urgent_campaign_overtakes(make_core: Make) -> None:
    core = make_core(chunk_size=1)
    core.load(30, priority="low")
    claimed(core, 5)
    urgent = core.load(3, priority="high")
    assert claimed(core, 5).count(urgent) == 3


def test_no_class_leaves_a_slot_empty_while_another_has_work(make_core: Make) -> None:
    core = make_core(chunk_size=1)
    campaign = core.load(12, priority="low")
    assert claimed(core, 12) == [campaign] * 12


def test_another_key_claims_nothing(make_core: Make) -> None:
    core = make_core(chunk_size=10)
    campaign = core.load(1)
    stranger = make_core(apikey="OTHER")
    assert why(claims_module.claim_next(stranger.engine, stranger.settings, core.account.id, "0" * 16)) == (
        "the configured key is not this account's"
    )
    assert sending_pump.pump(stranger.runtime, core.account.id) is False
    assert maintenance_tick.tick(stranger.runtime).submits == 0
    with pytest.raises(UsageError, match="another API key"):
        stranger.load(1)
    assert core.states(campaign) == ["due"]


def test_a_test_campaign_is_posted_as_a_test(core: CoreHarness, simulator: SimulatorProcess) -> None:
    core.load(1, test=True)
    sending_pump.pump(core.runtime, core.account.id)
    assert [post["test"] for post in simulator.posts()] == [True]


def test_an_exception_from_the_claims_commit_posts_nothing(core: CoreHarness, simulator: SimulatorProcess) -> None:
    campaign = core.load(1)
    assert core.account
    core.do("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no commit'; END $$")
    core.do(
        "CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON attempt DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    with pytest.raises(Exception, match="no commit"):
        sending_pump.pump(core.runtime, core.account.id)
    assert list(simulator.posts()) == []
    assert core.states(campaign) == ["due"]


@pytest.mark.parametrize(("method", "by_get"), [("post", False), ("auto", True)])
def test_a_small_chunk_goes_by_get_only_when_told_to(
    method: str, by_get: bool, make_core: Make, simulator: SimulatorProcess
) -> None:
    core = make_core(chunk_size=3, bulk_method=method)
    core.load(3)
    assert not sending_pump.pump(core.runtime, core.account.id)
    (post,) = simulator.posts()
    assert post["taken"] == 3
    assert (post["bytes"] == 0) == by_get
