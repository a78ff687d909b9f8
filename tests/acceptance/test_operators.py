"""People and clocks intervene while a campaign runs: what they say holds from that moment on."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatcher.domain.window import provider_local
from dispatcher.sending import pump as sending_pump
from tests.acceptance.live_system import LiveSystem


@pytest.fixture
def running(live: LiveSystem) -> int:
    """A campaign of which some is sent, slowly."""
    # Half a minute of it, so that a slow machine still finds it running.
    live.simulator.set_option(latency=1)
    live.cluster.environment["DISPATCHER_PROVIDER_TIMEOUT"] = "10"
    campaign = live.load(300, chunk_size=5)
    live.cluster.start()
    live.wait_taken(10)
    return campaign


def posts(live: LiveSystem) -> int:
    """Bulk POSTs so far."""
    return int(live.simulator.stats()["posts"])


def test_pause_holds_once_it_returns_and_resume_goes_on(running: int, live: LiveSystem) -> None:
    halted = live.cluster.cli("campaign", "pause", str(running))
    assert (halted["state"], halted["in_flight"]) == ("paused", 0)
    live.simulator.set_option(latency=0)
    before = posts(live)
    assert not sending_pump.pump(live.runtime, 1)
    live.cluster.cli("campaign", "show", str(running))
    assert posts(live) == before
    assert live.show(running).counts["pending"] > 0
    assert live.cluster.cli("campaign", "resume", str(running))["state"] == "running"
    live.finish(running)
    live.assert_every_line_once(running)


@pytest.mark.slow
def test_cancel_holds_once_it_returns_and_what_was_sent_still_gets_its_results(running: int, live: LiveSystem) -> None:
    halted = live.cluster.cli("campaign", "cancel", str(running))
    assert (halted["state"], halted["in_flight"]) == ("cancelled", 0)
    before = posts(live)
    assert not sending_pump.pump(live.runtime, 1)
    live.wait_for(lambda: live.show(running).final == 300, 20, "every message is final")
    counts = live.show(running).counts
    assert set(counts) == {"ok", "cancelled"}
    live.assert_every_line_once(running, counts)
    assert posts(live) == before
    assert live.cluster.cli("campaign", "watch", str(running), "--timeout", "5", code=1)["state"] == "cancelled"


@pytest.mark.slow
def test_pause_says_how_many_posts_it_could_not_wait_for(live: LiveSystem) -> None:
    live.cluster.environment["DISPATCHER_PROVIDER_TIMEOUT"] = "20"
    campaign = live.load(50, chunk_size=10)
    live.hold(times=2)
    live.cluster.start()
    live.wait_held(2)
    assert live.cluster.cli("campaign", "pause", str(campaign), "--wait", "0.2")["in_flight"] == 2
    live.let_go()
    live.wait_for(lambda: live.show(campaign).counts == {"ok": 20, "pending": 30}, 20, "the two have finished")
    assert posts(live) == 2
    live.cluster.cli("campaign", "resume", str(campaign))
    live.finish(campaign)
    live.assert_every_line_once(campaign)


def test_no_post_begins_outside_the_window_of_the_provider_s_clock(live: LiveSystem) -> None:
    tomorrow = provider_local(datetime.now(UTC)) + timedelta(days=1)
    live.simulator.set_option(window="08:00-22:00", latency=0.2)
    live.cluster.environment |= {"DISPATCHER_WINDOW": "08:00-22:00", "DISPATCHER_CONCURRENCY": "1"}
    live.cluster.start()
    live.wait_for(lambda: live.sql("SELECT 1 FROM heartbeat"), 60, "the workers are there")
    # The guard of a minute ends the day at 21:59:00.
    live.simulator.set_clock(at=f"{tomorrow:%Y-%m-%d} 21:58:54")
    campaign = live.load(300, chunk_size=10)
    live.wait_for(lambda: live.simulator.stats()["now"] >= f"{tomorrow:%Y-%m-%d} 21:59:02", 30, "closing time")
    live.wait_for(lambda: live.show(campaign).in_flight == 0, 10)
    before = live.simulator.stats()
    assert 0 < before["taken"] < 300
    assert max(post["received_at"] for post in live.simulator.posts()) < f"{tomorrow:%Y-%m-%d} 21:59:00"
    runtime = live.make_runtime(window="08:00-22:00")
    assert not sending_pump.pump(runtime, 1)
    assert posts(live) == before["posts"]
    opening = tomorrow + timedelta(days=1)
    live.simulator.set_clock(at=f"{opening:%Y-%m-%d} 07:59:56")
    live.sql("UPDATE account SET clock_measured_at = clock_measured_at - interval '1 hour'")
    live.finish(campaign, 60)
    live.assert_every_line_once(campaign)
    assert live.simulator.stats()["outside_window"] == 0
    received = [post["received_at"] for post in live.simulator.posts()]
    assert min(at for at in received if at > f"{opening:%Y-%m-%d}") >= f"{opening:%Y-%m-%d} 08:00:00"


def test_an_opt_out_between_load_and_send_beats_the_queue(live: LiveSystem) -> None:
    campaign = live.load(30, chunk_size=10)
    live.cluster.environment |= {"DISPATCHER_CONCURRENCY": "1", "DISPATCHER_PROVIDER_TIMEOUT": "20"}
    live.hold(times=1)
    live.cluster.start()
    live.wait_held()
    # 5 are on their way and stay sent; 15 is in the second chunk; the third chunk has nobody left.
    gone = [5, 15, *range(20, 30)]
    live.sql(
        "INSERT INTO optout (destino, source) SELECT unnest(CAST(:numbers AS text[])), 'test'",
        numbers=[f"11{20_000_000 + n}" for n in gone],
    )
    live.let_go()
    live.finish(campaign)
    live.assert_every_line_once(campaign, {"ok": 19, "suppressed": 11})
    assert posts(live) == 2


@pytest.mark.slow
def test_nothing_leaves_before_the_start_or_after_the_deadline(live: LiveSystem) -> None:
    live.simulator.set_option(latency=0.3)
    live.cluster.environment["DISPATCHER_CONCURRENCY"] = "1"
    live.cluster.start()
    live.finish(live.load(1))
    earlier = posts(live)
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    expires = start + timedelta(seconds=4)
    campaign = live.load(400, chunk_size=10, start=start.isoformat(), expires=expires.isoformat())
    live.finish(campaign)
    counts = live.show(campaign).counts
    assert set(counts) == {"ok", "expired"}
    live.assert_every_line_once(campaign, counts)
    received = [post["received"] for post in list(live.simulator.posts())[earlier:]]
    assert start.timestamp() <= min(received)
    assert max(received) < expires.timestamp()
