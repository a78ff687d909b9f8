"""Hosts and processes: one that vanishes, one that stands still, one with a wrong clock, one too many."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ops.chaos import cable, tcp_postgres
from ops.chaos.run import Run
from ops.chaos.scenarios.handed_in import create_campaign

_BEGUN = "SELECT count(*) FROM attempt"
_SIGNS = "SELECT count(*) FROM heartbeat"
_AHEAD = 360.0  # seconds, more than the five minutes after which hints expire


def vanished_host(run: Run) -> None:
    """The database's host vanishes without a word; a standby takes its disk over, and the address names both."""
    cut = run.enter(cable.laid())
    data = tcp_postgres.prepared(run.folder / "host")
    port = tcp_postgres.free_port()
    first = tcp_postgres.Server(data, cut.theirs, port, *cut.inside)
    run.stack.callback(_end, first)
    first.wait()
    standby = f"postgresql://postgres@127.0.0.1:{port}/dispatcher"
    both = f"postgresql://postgres@{cut.theirs}:{port},127.0.0.1:{port}/dispatcher?target_session_attrs=read-write"
    run.use_database(both, near=f"postgresql://postgres@/dispatcher?host={data.folder}&port={port}")
    run.simulator.set_option(latency=0.2)
    run.load(rows=4000)
    run.processes.start()
    run.wait_posts(6)
    cut.cut()
    vanished = time.monotonic()
    first.stop()  # what it says to its clients goes nowhere
    second = tcp_postgres.Server(data, "127.0.0.1", port)
    run.stack.callback(_end, second)
    second.wait(standby)
    run.runtime.engine.dispose()
    before = run.value(_BEGUN)
    run.expect(before < 40, "everything was out before the host vanished")
    run.wait(lambda: run.value(_BEGUN) > before, "work goes on at the standby", 90)
    seconds = time.monotonic() - vanished
    run.measured(f"work went on {seconds:.0f} s after the host had vanished")
    run.expect(seconds < 60, f"work went on only after {seconds:.0f} s")
    run.healed()


def _end(server: tcp_postgres.Server) -> None:
    if server.process.poll() is None:
        server.stop()


def loader_dies(how: signal.Signals) -> Callable[[Run], None]:
    """Make a scenario in which the host that loads a campaign gets this signal in the middle."""

    def play(run: Run) -> None:
        plan = run.plan("inside_load", action="stop")
        run.processes.worker("one")
        run.processes.beat()
        run.wait(lambda: run.value(_SIGNS) > 0, "worker and beat show signs of life", 90)
        people, words = run.people(3000), "Una vez para {n}"
        create_campaign(run.arena.broker_url, idempotency_key="once", template=words, recipients=people)
        run.wait(plan.victims, "a loader in the middle of its load", 60)
        one = run.processes.running["one"].pid
        os.killpg(one, how)
        stopped = time.monotonic()
        run.plan()
        run.processes.worker("two")
        made = "SELECT campaign_id FROM campaign_request WHERE state = 'created'"
        run.wait(lambda: run.sql(made), "another worker takes over", 120)
        seconds = time.monotonic() - stopped
        run.measured(f"another worker had loaded the campaign {seconds:.0f} s after the first one's end")
        run.expect(seconds <= 60, f"it was taken over only after {seconds:.0f} s")
        with suppress(ProcessLookupError):
            os.killpg(one, signal.SIGCONT)  # it goes on in the middle, and finds that it is too late
        run.healed()
        run.pass_time(3)
        campaigns = [row.id for row in run.sql("SELECT id FROM campaign")]
        run.expect(len(campaigns) == 1, f"{len(campaigns)} campaigns were made")
        for campaign in campaigns:
            run.expect_rows(campaign, people, words)

    does = "dies" if how == signal.SIGKILL else "stands still"
    play.__doc__ = f"The host that loads a campaign {does} in the middle; another takes over within a minute."
    return play


def fake_clock() -> Path | None:
    """The library that gives a process another clock; None where it is not installed."""
    named = os.environ.get("CHAOS_FAKETIME")
    places = [Path(named)] if named else list(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return next((place for place in places if place.exists()), None)


def fake_clock_missing() -> str | None:
    """Why no process can have another clock here; None when it can."""
    return None if fake_clock() else "libfaketime is not installed (apt install libfaketime)"


def clock_ahead(run: Run) -> None:
    """A clock six minutes ahead: its worker drops hints, says why and ends, whenever it is started; another works."""
    ahead = {"LD_PRELOAD": str(fake_clock()), "FAKETIME": f"+{_AHEAD:.0f}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    run.load()
    run.processes.worker("ahead", environment=ahead)
    run.processes.beat()
    told = f"clock_differs host_minus_database=+{_AHEAD:.0f}s"
    run.wait(lambda: told in run.processes.log("ahead"), "the worker says that its clock differs", 60)
    run.wait(lambda: run.processes.running["ahead"].poll() is not None, "the worker ends", 60)
    run.expect(
        f"worker_ends host_minus_database=+{_AHEAD:.0f}s" in run.processes.log("ahead"), "it ends without a word"
    )
    run.expect(run.processes.running["ahead"].returncode != 0, "it ended as if nothing were wrong")
    run.expect(run.simulator.stats()["posts"] == 0, "a worker six minutes ahead took a hint")
    asked = subprocess.run(
        [sys.executable, "-m", "dispatcher", "doctor", "--json"],
        env={**run.processes.environment, **ahead},
        capture_output=True,
    )
    clocks = [check for check in json.loads(asked.stdout)["checks"] if "clock" in check["name"]]
    run.expect(
        any(not check["ok"] and "This machine's clock" in check["detail"] for check in clocks), f"doctor says {clocks}"
    )
    run.processes.worker("ahead", environment=ahead)
    run.processes.worker("right")
    run.healed()
    run.wait(lambda: run.simulator.stats()["posts"] > 0, "the other worker works", 60)


def _until_it_works(run: Run, name: str) -> None:
    run.wait(lambda: run.value(_SIGNS) > 0, f"{name} shows signs of life", 120)


def _end_up(run: Run, name: str) -> None:
    """Stop a `dispatcher up` as a user does, so that its children end with it."""
    process = run.processes.running[name]
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(90)


def broker_demoted(run: Run) -> None:
    """The broker becomes a replica of nobody: `dispatcher up` starts its workers again, and work goes on afterwards."""
    run.simulator.set_option(latency=0.5)
    run.load(rows=6000)
    run.processes.up()
    run.stack.callback(_end_up, run, "up")
    run.wait_posts(3, 120)
    with run.arena.broker() as client:
        client.replicaof("127.0.0.1", "1")
        again = "starting it again"
        run.wait(lambda: run.processes.log("up").count(again) >= 3, "workers end and are started again", 90)
        posts = run.simulator.stats()["posts"]
        client.replicaof("NO", "ONE")
    promoted = time.monotonic()
    run.healed()
    run.expect(not run.finished(), "everything was out before the broker was promoted")
    run.wait(lambda: run.simulator.stats()["posts"] > posts, "work goes on", 120)
    run.measured(f"work went on {time.monotonic() - promoted:.0f} s after the broker was promoted again")


def second_up(run: Run) -> None:
    """A second `dispatcher up` is refused by the number of the first; that one is killed, and a third one goes on."""
    run.simulator.set_option(latency=0.5)
    run.load(rows=6000)
    first = run.processes.up("first")
    run.wait_posts(3, 120)
    second = run.processes.up("second")
    run.wait(lambda: second.poll() is not None, "the second one ends", 60)
    run.expect(second.returncode == 1, f"the second one ended with {second.returncode}")
    run.expect(f"process {first.pid}." in run.processes.log("second"), "the refusal does not name the first one")
    run.expect(first.poll() is None, "the first one ended")
    first.kill()
    first.wait(10)
    run.healed()
    posts = run.simulator.stats()["posts"]
    third = run.processes.up("third")
    run.stack.callback(_end_up, run, "third")
    run.wait(lambda: run.simulator.stats()["posts"] > posts, "the third one goes on", 120)
    run.expect(third.poll() is None, "the third one ended")
