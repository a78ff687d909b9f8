"""Processes killed or stopped in the middle of a POST: the provider's ledger has every line exactly once."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.acceptance.live_system import LiveSystem
from tests.conftest import wait_until


def wait_gone(process: psutil.Process) -> None:
    """Wait until a process has ended."""
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 10, f"{process} gone")


def pool_children(live: LiveSystem) -> list[psutil.Process]:
    """The pool processes of the worker."""
    return psutil.Process(live.cluster.processes["worker"].pid).children()


@pytest.mark.parametrize(
    ("take", "when"),
    [
        pytest.param("all", "after", id="all", marks=pytest.mark.slow),
        pytest.param("half", "after", id="half"),
        pytest.param("none", "before", id="none", marks=pytest.mark.slow),
    ],
)
def test_kill_9_of_every_process_while_the_provider_holds_a_post_of_which_it_took(
    take: str, when: str, live: LiveSystem
) -> None:
    campaign = live.load(40, chunk_size=10)
    live.hold(take, when, times=2)
    live.cluster.start()
    live.wait_held(2)
    live.cluster.kill("worker")
    live.cluster.kill("beat")
    live.let_go()
    live.let_leases_expire()
    live.cluster.start()
    live.finish(campaign)
    live.assert_every_line_once(campaign)
    lost = [attempt for attempt in live.attempts(campaign) if attempt[2] == "lost"]
    assert [number for _, number, _ in lost] == [1, 1]
    # Only what the provider never had was sent again, and its child chunk has a proof.
    children = live.sql("SELECT messages FROM chunk WHERE campaign_id = :id AND parent_no IS NOT NULL", id=campaign)
    assert [row.messages for row in children] == {"all": [], "half": [5, 5], "none": [10, 10]}[take]


def test_kill_9_of_a_pool_child_in_a_post_is_a_doubt_and_not_a_redelivery(live: LiveSystem) -> None:
    campaign = live.load(30, chunk_size=10)
    live.hold("all", "after", times=1)
    live.cluster.start()
    live.wait_held()
    for child in pool_children(live):
        child.kill()
    live.let_go()
    live.let_leases_expire()
    live.finish(campaign)
    live.assert_every_line_once(campaign)
    # The other child may have died between its claim and its POST: then what it had claimed goes out as a child chunk.
    attempts = live.attempts(campaign)
    lost = [attempt for attempt in attempts if attempt[2] == "lost"]
    assert {number for _, number, _ in attempts} == {1}, "a task was run again"
    last_line = 1
    assert 3 <= len(attempts) - last_line <= 2 + len(lost) <= 4, attempts


@pytest.mark.slow
def test_a_lease_outlives_the_longest_call_and_brings_a_killed_worker_s_chunk_back_by_itself(live: LiveSystem) -> None:
    campaign = live.load(10)
    live.hold("none", "before", times=1)
    live.cluster.start()
    live.wait_held()
    live.cluster.kill("worker")
    live.let_go()
    assert (
        2 < live.value("SELECT extract(epoch FROM lease_until - clock_timestamp()) FROM chunk WHERE chunk_no = 1") <= 32
    )
    live.cluster.worker()
    # Most of the time passes by hand, the rest by itself.
    live.sql("UPDATE account SET poll_lease_until = NULL")
    live.sql("UPDATE chunk SET lease_until = clock_timestamp() + interval '3 seconds' WHERE state = 'sending'")
    live.wait_for(lambda: live.value("SELECT state FROM chunk WHERE chunk_no = 1") != "sending", 15)
    assert live.attempts(campaign)[0] == (1, 1, "lost")
    live.finish(campaign)
    live.assert_every_line_once(campaign)


@pytest.mark.slow
def test_sigterm_during_a_post_lets_it_finish(live: LiveSystem) -> None:
    campaign = live.load(20, chunk_size=10)
    live.cluster.environment["DISPATCHER_CONCURRENCY"] = "1"
    live.cluster.environment["DISPATCHER_PROVIDER_TIMEOUT"] = "10"
    live.hold("all", "after", times=1)
    live.cluster.start()
    live.wait_held()
    worker = live.cluster.processes["worker"]
    os.kill(worker.pid, signal.SIGTERM)
    live.wait_for(lambda: "warm shutdown" in live.cluster.log().lower(), 10, "the worker is stopping")
    live.let_go()
    assert worker.wait(20) == 0
    assert live.attempts(campaign)[0] == (1, 1, "accepted")
    live.cluster.worker()
    live.finish(campaign)
    live.assert_every_line_once(campaign)
    assert {outcome for _, _, outcome in live.attempts(campaign)} == {"accepted"}


@pytest.mark.slow
def test_sigquit_during_a_post_finishes_it_or_leaves_a_doubt(live: LiveSystem) -> None:
    campaign = live.load(20, chunk_size=10)
    live.hold("all", "after", times=2)  # its OK may still be read: then all must have been taken
    live.cluster.start()
    live.wait_held(2)
    os.kill(live.cluster.processes["worker"].pid, signal.SIGQUIT)
    live.let_go()
    live.cluster.processes["worker"].wait(200)
    live.let_leases_expire()
    live.cluster.worker()
    live.finish(campaign, 120)
    live.assert_every_line_once(campaign)


STOPPED_BEFORE_THE_FIRST_BYTE = """
import os, signal, time
from dispatcher import runtime
from dispatcher.sending import claims, pump
from dispatcher.provider.http import HttpProvider

claims.LEASE_MARGIN = 1.0
send = HttpProvider.send_bulk

def send_after_a_stop(self, bloque, *, guard, **options):
    def stopped_guard():
        os.kill(os.getpid(), signal.SIGSTOP)
        guard()
    return send(self, bloque, guard=stopped_guard, **options)

HttpProvider.send_bulk = send_after_a_stop
pump.BUDGET_CHUNKS = 1
while not pump.pump(runtime.current(), 1):
    time.sleep(0.1)  # the campaign's start has not come yet by the earliest that the provider's clock may show
"""


def start_and_stop_itself(live: LiveSystem) -> psutil.Process:
    """A worker's submit task that is stopped between its connection and the first byte of its POST."""
    process = psutil.Process(live.cluster.spawn("stopped", [sys.executable, "-c", STOPPED_BEFORE_THE_FIRST_BYTE]).pid)
    live.wait_for(lambda: process.status() == psutil.STATUS_STOPPED, 15, "the submitter stopped itself")
    return process


def test_a_worker_stopped_beyond_its_lease_starts_no_post_when_it_goes_on(live: LiveSystem) -> None:
    campaign = live.load(10)
    stopped = start_and_stop_itself(live)
    assert live.value("SELECT state FROM chunk WHERE chunk_no = 1") == "sending"
    live.cluster.start()
    live.finish(campaign)
    posts = len(list(live.simulator.posts()))
    stopped.resume()
    live.cluster.processes["stopped"].wait(10)
    assert "too little of the lease" in live.value(
        "SELECT detail FROM attempt WHERE attempt = 1 ORDER BY chunk_id LIMIT 1"
    )
    assert len(list(live.simulator.posts())) == posts
    live.assert_every_line_once(campaign)


@pytest.mark.slow
def test_a_worker_stopped_for_a_moment_that_goes_on_before_anybody_noticed_gives_its_chunk_back(
    live: LiveSystem,
) -> None:
    campaign = live.load(10)
    stopped = start_and_stop_itself(live)
    live.wait_for(
        lambda: live.value("SELECT lease_until < clock_timestamp() FROM chunk WHERE chunk_no = 1"),
        10,
        "the lease is over",
    )
    stopped.resume()
    live.cluster.processes["stopped"].wait(10)
    assert list(live.simulator.posts()) == []
    assert live.value("SELECT state FROM chunk WHERE chunk_no = 1") == "due"
    assert live.attempts(campaign) == [(1, 1, "not_started")]
    live.cluster.start()
    live.finish(campaign)
    live.assert_every_line_once(campaign)


@pytest.mark.slow
def test_kill_9_in_the_middle_of_settling_settles_each_line_once(live: LiveSystem, tmp_path: Path) -> None:
    """Both pool and poller die while the provider's answer is on its way; counters stay true."""
    live.simulator.set_option(delay_min=1, delay_max=2)
    campaign = live.load(2000, chunk_size=500)
    live.hold("all", "after", endpoint="status_fecha", times=1)
    live.cluster.start()
    live.wait_held()
    live.cluster.kill("worker")
    live.let_go()
    live.let_leases_expire()
    live.cluster.worker()
    live.finish(campaign)
    live.assert_every_line_once(campaign)
