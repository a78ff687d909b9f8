"""Processes that die or stand still, at a named point or in the middle of anything."""

import os
import signal
from collections.abc import Callable

from ops.chaos.points import Action
from ops.chaos.run import Run


def die_at(point: str, times: int = 3, action: Action = "kill") -> Callable[[Run], None]:
    """Pool processes that are killed at one point, again and again; a killed group is started anew."""

    def play(run: Run) -> None:
        plan = run.plan(point, times=times, after=run.dice.randrange(4), action=action)
        if point in ("after_probe", "inside_split"):  # something has to be in doubt first
            run.fault("close", take="half", times=3, after=2)
        run.load()
        run.load(rows=1000, first=5000)
        run.processes.start()
        for number in range(1, times + 1):
            run.wait_struck(plan, number)
            if action == "kill_group":
                run.processes.kill("worker")
                run.processes.worker()
        run.healed()

    play.__doc__ = f"{action} at {point}, {times} times."
    return play


def kill_pool(run: Run) -> None:
    """kill -9 of every pool process, five times while POSTs are under way."""
    run.simulator.set_option(latency=0.15)
    run.load()
    run.processes.start()
    for number in range(5):
        run.wait_posts(2 + 3 * number)
        for child in run.processes.pool():
            child.kill()
    run.healed()


def kill_everything(run: Run) -> None:
    """kill -9 of two workers and beat at once, three times at a random moment."""
    run.simulator.set_option(latency=0.15)
    run.load(rows=3000)
    for _ in range(3):
        run.processes.worker("one")
        run.processes.worker("two")
        run.processes.beat()
        posts = run.simulator.stats()["posts"]
        run.wait_posts(posts + 1)
        run.pass_time(run.dice.uniform(0.0, 1.0))
        run.processes.kill()
    run.healed()
    run.processes.start()


def kill_beat(run: Run) -> None:
    """kill -9 of beat in the middle; another one takes over, and then two run at once."""
    run.simulator.set_option(latency=0.1)
    run.load()
    run.processes.start()
    run.wait_posts(3)
    run.processes.kill("beat")
    run.pass_time(1.5)
    run.healed()
    run.processes.beat("beat-one")
    run.processes.beat("beat-two")
    run.load(first=5000)


def two_beats(run: Run) -> None:
    """Two beats all the while, one of them killed and replaced five times."""
    run.simulator.set_option(latency=0.1)
    run.load(rows=3000)
    run.processes.worker()
    run.processes.beat("beat-one")
    run.processes.beat("beat-two")
    for number in range(5):
        run.wait_posts(2 + 3 * number)
        run.processes.kill("beat-two")
        run.processes.beat("beat-two")
    run.healed()


def stand_still(run: Run) -> None:
    """SIGSTOP with the connection of a POST standing, for longer than the lease; then SIGCONT: no POST starts."""
    plan = run.plan("before_guard", action="stop", times=2, after=run.dice.randrange(3))
    run.load()
    run.processes.start()
    run.wait(lambda: len(plan.victims()) == 2, "two processes that stand still")
    run.wait(
        lambda: run.value("SELECT count(*) FROM attempt WHERE outcome = 'lost'") >= 2, "both leases noticed as over"
    )
    run.wait(run.finished, "everything goes out without them", 60)
    posts = run.simulator.stats()["posts"]
    run.healed()
    for pid in plan.victims():
        os.kill(pid, signal.SIGCONT)
    told = "SELECT count(*) FROM attempt WHERE detail LIKE '%too little of the lease%'"
    run.wait(lambda: run.value(told) == 2, "both say why they did not POST")
    run.expect(run.simulator.stats()["posts"] == posts, "a process that stood still went on to POST")


def stop_gently(number: signal.Signals) -> Callable[[Run], None]:
    """A worker told to stop during its POSTs; another goes on."""

    def play(run: Run) -> None:
        run.simulator.set_option(latency=0.6)
        run.load()
        run.processes.start()
        run.wait_posts(3)
        run.processes.signal("worker", number)
        stopping = run.processes.running["worker"]
        run.wait(lambda: stopping.poll() is not None, "the worker ends", 30)
        run.simulator.set_option(latency=0.03)
        run.healed()
        run.processes.worker("next")
        doubts = run.value("SELECT count(*) FROM attempt WHERE outcome IS DISTINCT FROM 'accepted'")
        if number == signal.SIGTERM:
            run.expect(doubts == 0, f"SIGTERM left {doubts} POSTs without their answer")

    play.__doc__ = f"A worker gets {number.name} during its POSTs; another goes on."
    return play
