"""The broker holds only hints: losing it, emptying it or hearing everything twice changes nothing."""

import os
import signal
import time
from pathlib import Path

import pytest
import redis
from celery import Celery

from ops.embedded import Embedded
from tests.acceptance.live_system import LiveSystem
from tests.conftest import wait_until
from tests.processes import Cluster

QUEUES = ("submit", "poll", "control", "urgent")


def kill_broker(home: Embedded) -> None:
    """SIGKILL, and forget all that it had on disk."""
    pid = home._state()["valkey_pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2], 10)
    for path in sorted((home.home / "valkey").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_broker_killed_and_restarted_empty_in_the_middle_loses_nothing(
    own_broker: Embedded, live: LiveSystem
) -> None:
    address = own_broker.start(database=False, broker=True).broker_url
    assert address
    live.cluster.environment["DISPATCHER_BROKER_URL"] = address
    live.simulator.set_option(latency=0.1)
    live.cluster.start()
    campaign = live.load(300, chunk_size=10)
    for taken in (50, 150):
        live.wait_taken(taken)
        kill_broker(own_broker)
        own_broker.start(database=False, broker=True)
    live.finish(campaign, 60)
    live.assert_every_line_once(campaign)


@pytest.mark.slow
def test_queues_flushed_all_the_while_lose_nothing(live: LiveSystem, broker_url: str) -> None:
    client = redis.Redis(unix_socket_path=broker_url.removeprefix("redis+socket://"))
    live.simulator.set_option(latency=0.05)
    campaign = live.load(300, chunk_size=10)
    live.cluster.start()

    def flush() -> bool:
        client.delete(*QUEUES)
        return live.show(campaign).state == "completed"

    live.wait_for(flush, 60, "completed")
    client.close()
    live.assert_every_line_once(campaign)


def test_beat_ends_at_once_while_it_waits_for_the_brokers_answer(own_broker: Embedded, cluster: Cluster) -> None:
    address = own_broker.start(database=False, broker=True).broker_url
    assert address
    cluster.environment["DISPATCHER_BROKER_URL"] = address
    cluster.beat()
    client = redis.Redis(unix_socket_path=address.removeprefix("redis+socket://"))
    wait_until(lambda: client.llen("tick"), 20, "a tick")
    broker = own_broker._state()["valkey_pid"]
    os.kill(broker, signal.SIGSTOP)
    try:
        time.sleep(2)  # the next tick is written, and its answer waited for
        beat = cluster.processes["beat"]
        beat.terminate()
        assert beat.wait(5) == 0, cluster.log("beat")
    finally:
        os.kill(broker, signal.SIGCONT)


def test_every_task_published_many_times_to_two_workers_with_two_beats_sends_each_line_once(
    live: LiveSystem, broker_url: str
) -> None:
    live.simulator.set_option(latency=0.05)
    campaign = live.load(300, chunk_size=10)
    with Celery("flood", broker=broker_url) as flood:
        for _ in range(30):
            for name in ("submit", "poll", "probe", "measure_clock"):
                flood.send_task(f"dispatcher.{name}", args=[1], queue="submit")
            flood.send_task("dispatcher.tick", queue="control")
    live.cluster.worker("one")
    live.cluster.worker("two")
    live.cluster.beat("beat")
    live.cluster.beat("beat2")
    live.finish(campaign)
    live.assert_every_line_once(campaign)
    assert all(outcome == "accepted" for _, _, outcome in live.attempts(campaign))
    assert len(live.attempts(campaign)) == 31, "each chunk, and the last line alone"
    # Two workers and a flood of hints never put more POSTs in flight than the account has slots.
    assert live.simulator.stats()["most_in_flight"]["bulk"] <= 2
