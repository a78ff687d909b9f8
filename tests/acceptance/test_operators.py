"""People and clocks intervene while a campaign runs: what they say holds from that moment on."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher import submit
from dispatcher.window import provider_local
from tests.acceptance.stage import Stage


@pytest.fixture
def running(stage: Stage) -> int:
    """A campaign of which some is sent, slowly."""
    # Half a minute of it, so that a slow machine still finds it running.
    stage.simulator.set_option(latency=1)
    stage.cluster.environment["DISPATCHER_PROVIDER_TIMEOUT"] = "10"
    campaign = stage.load(300, chunk_size=5)
    stage.cluster.start()
    stage.wait_taken(10)
    return campaign


def posts(stage: Stage) -> int:
    """Bulk POSTs so far."""
    return int(stage.simulator.stats()["posts"])


def test_pause_holds_once_it_returns_and_resume_goes_on(running: int, stage: Stage) -> None:
    halted = stage.cluster.cli("campaign", "pause", str(running))
    assert (halted["state"], halted["in_flight"]) == ("paused", 0)
    stage.simulator.set_option(latency=0)
    before = posts(stage)
    assert not submit.pump(stage.runtime, 1)
    stage.cluster.cli("campaign", "show", str(running))
    assert posts(stage) == before
    assert stage.show(running).counts["pending"] > 0
    assert stage.cluster.cli("campaign", "resume", str(running))["state"] == "running"
    stage.finish(running)
    stage.assert_every_line_once(running)


@pytest.mark.slow
def test_cancel_holds_once_it_returns_and_what_was_sent_still_gets_its_results(running: int, stage: Stage) -> None:
    halted = stage.cluster.cli("campaign", "cancel", str(running))
    assert (halted["state"], halted["in_flight"]) == ("cancelled", 0)
    before = posts(stage)
    assert not submit.pump(stage.runtime, 1)
    stage.wait_for(lambda: stage.show(running).final == 300, 20, "every message is final")
    counts = stage.show(running).counts
    assert set(counts) == {"ok", "cancelled"}
    stage.assert_every_line_once(running, counts)
    assert posts(stage) == before
    assert stage.cluster.cli("campaign", "watch", str(running), "--timeout", "5", code=1)["state"] == "cancelled"


@pytest.mark.slow
def test_pause_says_how_many_posts_it_could_not_wait_for(stage: Stage) -> None:
    stage.cluster.environment["DISPATCHER_PROVIDER_TIMEOUT"] = "20"
    campaign = stage.load(50, chunk_size=10)
    stage.hold(times=2)
    stage.cluster.start()
    stage.wait_held(2)
    assert stage.cluster.cli("campaign", "pause", str(campaign), "--wait", "0.2")["in_flight"] == 2
    stage.let_go()
    stage.wait_for(lambda: stage.show(campaign).counts == {"ok": 20, "pending": 30}, 20, "the two have finished")
    assert posts(stage) == 2
    stage.cluster.cli("campaign", "resume", str(campaign))
    stage.finish(campaign)
    stage.assert_every_line_once(campaign)


def test_no_post_begins_outside_the_window_of_the_provider_s_clock(stage: Stage) -> None:
    tomorrow = provider_local(datetime.now(UTC)) + timedelta(days=1)
    stage.simulator.set_option(window="08:00-22:00", latency=0.2)
    stage.cluster.environment |= {"DISPATCHER_WINDOW": "08:00-22:00", "DISPATCHER_CONCURRENCY": "1"}
    stage.cluster.start()
    stage.wait_for(lambda: stage.sql("SELECT 1 FROM heartbeat"), 60, "the workers are there")
    # The guard of a minute ends the day at 21:59:00.
    stage.simulator.set_clock(at=f"{tomorrow:%Y-%m-%d} 21:58:54")
    campaign = stage.load(300, chunk_size=10)
    stage.wait_for(lambda: stage.simulator.stats()["now"] >= f"{tomorrow:%Y-%m-%d} 21:59:02", 30, "closing time")
    stage.wait_for(lambda: stage.show(campaign).in_flight == 0, 10)
    before = stage.simulator.stats()
    assert 0 < before["taken"] < 300
    assert max(post["received_at"] for post in stage.simulator.posts()) < f"{tomorrow:%Y-%m-%d} 21:59:00"
    runtime = stage.make_runtime(window="08:00-22:00")
    assert not submit.pump(runtime, 1)
    assert posts(stage) == before["posts"]
    opening = tomorrow + timedelta(days=1)
    stage.simulator.set_clock(at=f"{opening:%Y-%m-%d} 07:59:56")
    stage.sql("UPDATE account SET clock_measured_at = clock_measured_at - interval '1 hour'")
    stage.finish(campaign, 60)
    stage.assert_every_line_once(campaign)
    assert stage.simulator.stats()["outside_window"] == 0
    received = [post["received_at"] for post in stage.simulator.posts()]
    assert min(at for at in received if at > f"{opening:%Y-%m-%d}") >= f"{opening:%Y-%m-%d} 08:00:00"


def test_an_opt_out_between_load_and_send_beats_the_queue(stage: Stage) -> None:
    campaign = stage.load(30, chunk_size=10)
    stage.cluster.environment |= {"DISPATCHER_CONCURRENCY": "1", "DISPATCHER_PROVIDER_TIMEOUT": "20"}
    stage.hold(times=1)
    stage.cluster.start()
    stage.wait_held()
    # 5 are on their way and stay sent; 15 is in the second chunk; the third chunk has nobody left.
    gone = [5, 15, *range(20, 30)]
    stage.sql(
        "INSERT INTO optout (destino, source) SELECT unnest(CAST(:numbers AS text[])), 'test'",
        numbers=[f"11{20_000_000 + n}" for n in gone],
    )
    stage.let_go()
    stage.finish(campaign)
    stage.assert_every_line_once(campaign, {"ok": 19, "suppressed": 11})
    assert posts(stage) == 2


@pytest.mark.slow
def test_nothing_leaves_before_the_start_or_after_the_deadline(stage: Stage) -> None:
    stage.simulator.set_option(latency=0.3)
    stage.cluster.environment["DISPATCHER_CONCURRENCY"] = "1"
    stage.cluster.start()
    stage.finish(stage.load(1))
    earlier = posts(stage)
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    expires = start + timedelta(seconds=4)
    campaign = stage.load(400, chunk_size=10, start=start.isoformat(), expires=expires.isoformat())
    stage.finish(campaign)
    counts = stage.show(campaign).counts
    assert set(counts) == {"ok", "expired"}
    stage.assert_every_line_once(campaign, counts)
    received = [post["received"] for post in list(stage.simulator.posts())[earlier:]]
    assert start.timestamp() <= min(received)
    assert max(received) < expires.timestamp()
