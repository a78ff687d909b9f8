"""Processes killed or stopped in the middle of a POST: the provider's ledger has every line exactly once."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.acceptance.stage import Stage
from tests.conftest import wait_until


def wait_gone(process: psutil.Process) -> None:
    """Wait until a process has ended."""
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 10, f"{process} gone")


def pool_children(stage: Stage) -> list[psutil.Process]:
    """The pool processes of the worker."""
    return psutil.Process(stage.cluster.processes["worker"].pid).children()


@pytest.mark.parametrize(
    ("take", "when"),
    [
        pytest.param("all", "after", id="all", marks=pytest.mark.slow),
        pytest.param("half", "after", id="half"),
        pytest.param("none", "before", id="none", marks=pytest.mark.slow),
    ],
)
def test_kill_9_of_every_process_while_the_provider_holds_a_post_of_which_it_took(
    take: str, when: str, stage: Stage
) -> None:
    campaign = stage.load(40, chunk_size=10)
    stage.hold(take, when, times=2)
    stage.cluster.start()
    stage.wait_held(2)
    stage.cluster.kill("worker")
    stage.cluster.kill("beat")
    stage.let_go()
    stage.let_leases_expire()
    stage.cluster.start()
    stage.finish(campaign)
    stage.assert_every_line_once(campaign)
    lost = [attempt for attempt in stage.attempts(campaign) if attempt[2] == "lost"]
    assert [number for _, number, _ in lost] == [1, 1]
    # Only what the provider never had was sent again, and its child chunk has a proof.
    children = stage.sql("SELECT messages FROM chunk WHERE campaign_id = :id AND parent_no IS NOT NULL", id=campaign)
    assert [row.messages for row in children] == {"all": [], "half": [5, 5], "none": [10, 10]}[take]


def test_kill_9_of_a_pool_child_in_a_post_is_a_doubt_and_not_a_redelivery(stage: Stage) -> None:
    campaign = stage.load(30, chunk_size=10)
    stage.hold("all", "after", times=1)
    stage.cluster.start()
    stage.wait_held()
    for child in pool_children(stage):
        child.kill()
    stage.let_go()
    stage.let_leases_expire()
    stage.finish(campaign)
    stage.assert_every_line_once(campaign)
    # The other child may have died between its claim and its POST: then what it had claimed goes out as a child chunk.
    attempts = stage.attempts(campaign)
    lost = [attempt for attempt in attempts if attempt[2] == "lost"]
    assert {number for _, number, _ in attempts} == {1}, "a task was run again"
    assert 3 <= len(attempts) <= 2 + len(lost) <= 4, attempts


@pytest.mark.slow
def test_a_lease_outlives_the_longest_call_and_brings_a_killed_worker_s_chunk_back_by_itself(stage: Stage) -> None:
    campaign = stage.load(10)
    stage.hold("none", "before", times=1)
    stage.cluster.start()
    stage.wait_held()
    stage.cluster.kill("worker")
    stage.let_go()
    assert 2 < stage.value("SELECT extract(epoch FROM lease_until - clock_timestamp()) FROM chunk") <= 32
    stage.cluster.worker()
    # Most of the time passes by hand, the rest by itself.
    stage.sql("UPDATE account SET poll_lease_until = NULL")
    stage.sql("UPDATE chunk SET lease_until = clock_timestamp() + interval '3 seconds'")
    stage.wait_for(lambda: stage.value("SELECT state FROM chunk WHERE chunk_no = 1") != "sending", 15)
    assert stage.attempts(campaign) == [(1, 1, "lost")]
    stage.finish(campaign)
    stage.assert_every_line_once(campaign)


@pytest.mark.slow
def test_sigterm_during_a_post_lets_it_finish(stage: Stage) -> None:
    campaign = stage.load(20, chunk_size=10)
    stage.cluster.environment["DISPATCHER_CONCURRENCY"] = "1"
    stage.cluster.environment["DISPATCHER_PROVIDER_TIMEOUT"] = "10"
    stage.hold("all", "after", times=1)
    stage.cluster.start()
    stage.wait_held()
    worker = stage.cluster.processes["worker"]
    os.kill(worker.pid, signal.SIGTERM)
    stage.wait_for(lambda: "warm shutdown" in stage.cluster.log().lower(), 10, "the worker is stopping")
    stage.let_go()
    assert worker.wait(20) == 0
    assert stage.attempts(campaign)[0] == (1, 1, "accepted")
    stage.cluster.worker()
    stage.finish(campaign)
    stage.assert_every_line_once(campaign)
    assert {outcome for _, _, outcome in stage.attempts(campaign)} == {"accepted"}


@pytest.mark.slow
def test_sigquit_during_a_post_finishes_it_or_leaves_a_doubt(stage: Stage) -> None:
    campaign = stage.load(20, chunk_size=10)
    stage.hold("half", "after", times=2)
    stage.cluster.start()
    stage.wait_held(2)
    os.kill(stage.cluster.processes["worker"].pid, signal.SIGQUIT)
    stage.let_go()
    stage.cluster.processes["worker"].wait(20)
    stage.let_leases_expire()
    stage.cluster.worker()
    stage.finish(campaign)
    stage.assert_every_line_once(campaign)


STOPPED_BEFORE_THE_FIRST_BYTE = """
import os, signal, time
from dispatcher import chunks, runtime, submit
from dispatcher.provider.http import HttpProvider

chunks.LEASE_MARGIN = 1.0
send = HttpProvider.send_bulk

def send_after_a_stop(self, bloque, *, guard, **options):
    def stopped_guard():
        os.kill(os.getpid(), signal.SIGSTOP)
        guard()
    return send(self, bloque, guard=stopped_guard, **options)

HttpProvider.send_bulk = send_after_a_stop
submit.BUDGET_CHUNKS = 1
while not submit.pump(runtime.current(), 1):
    time.sleep(0.1)  # the campaign's start has not come yet by the earliest that the provider's clock may show
"""


def start_and_stop_itself(stage: Stage) -> psutil.Process:
    """A worker's submit task that is stopped between its connection and the first byte of its POST."""
    process = psutil.Process(stage.cluster.spawn("stopped", [sys.executable, "-c", STOPPED_BEFORE_THE_FIRST_BYTE]).pid)
    stage.wait_for(lambda: process.status() == psutil.STATUS_STOPPED, 15, "the submitter stopped itself")
    return process


def test_a_worker_stopped_beyond_its_lease_starts_no_post_when_it_goes_on(stage: Stage) -> None:
    campaign = stage.load(10)
    stopped = start_and_stop_itself(stage)
    assert stage.value("SELECT state FROM chunk") == "sending"
    stage.cluster.start()
    stage.finish(campaign)
    posts = len(list(stage.simulator.posts()))
    stopped.resume()
    stage.cluster.processes["stopped"].wait(10)
    assert "too little of the lease" in stage.value(
        "SELECT detail FROM attempt WHERE attempt = 1 ORDER BY chunk_id LIMIT 1"
    )
    assert len(list(stage.simulator.posts())) == posts
    stage.assert_every_line_once(campaign)


@pytest.mark.slow
def test_a_worker_stopped_for_a_moment_that_goes_on_before_anybody_noticed_gives_its_chunk_back(stage: Stage) -> None:
    campaign = stage.load(10)
    stopped = start_and_stop_itself(stage)
    stage.wait_for(lambda: stage.value("SELECT lease_until < clock_timestamp() FROM chunk"), 10, "the lease is over")
    stopped.resume()
    stage.cluster.processes["stopped"].wait(10)
    assert list(stage.simulator.posts()) == []
    assert stage.value("SELECT state FROM chunk") == "due"
    assert stage.attempts(campaign) == [(1, 1, "not_started")]
    stage.cluster.start()
    stage.finish(campaign)
    stage.assert_every_line_once(campaign)


@pytest.mark.slow
def test_kill_9_in_the_middle_of_settling_settles_each_line_once(stage: Stage, tmp_path: Path) -> None:
    """Both pool and poller die while the provider's answer is on its way; counters stay true."""
    stage.simulator.set_option(delay_min=1, delay_max=2)
    campaign = stage.load(2000, chunk_size=500)
    stage.hold("all", "after", endpoint="status_fecha", times=1)
    stage.cluster.start()
    stage.wait_held()
    stage.cluster.kill("worker")
    stage.let_go()
    stage.let_leases_expire()
    stage.cluster.worker()
    stage.finish(campaign)
    stage.assert_every_line_once(campaign)
