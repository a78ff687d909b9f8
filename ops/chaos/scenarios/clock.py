"""The provider's clock: windows that close, starts and deadlines to the second, days that end."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from dispatcher.domain.window import PROVIDER_ZONE
from ops.chaos.run import Run

EVENING = "2026-03-10 21:59:50"


def closing(ahead: float, step: float = 0.0) -> Callable[[Run], None]:
    """The window closes while chunks are in flight.

    Args:
        ahead: the provider's clock less ours, seconds.
        step: our clock is stepped by so much in the middle, seconds, and back by as much after closing.
    """

    def play(run: Run) -> None:
        run.simulator.set_option(latency=0.4)  # eighty POSTs, two at a time, take longer than the window is open
        now = datetime.fromtimestamp(time.time() + ahead, PROVIDER_ZONE)
        closes = (now + timedelta(minutes=5)).replace(second=0, microsecond=0)
        window = f"{(closes - timedelta(hours=2)):%H:%M}-{closes:%H:%M}"
        run.simulator.set_clock(offset=ahead)
        run.simulator.set_option(window=window)
        run.processes.environment["DISPATCHER_WINDOW"] = window
        if step:
            run.step_clock(0)
        run.processes.start()
        run.wait(lambda: run.value("SELECT count(*) FROM heartbeat") > 0, "worker and beat show signs of life", 90)
        run.jump(advance=(closes - run.provider_time()).total_seconds() - 12)
        run.load(rows=8000)
        if step:
            run.wait_posts(4)
            run.step_clock(step)
        run.wait_clock(closes.timestamp())
        run.wait(lambda: not run.value("SELECT count(*) FROM chunk WHERE state = 'sending'"), "nothing in flight")
        posts = run.simulator.stats()["posts"]
        run.expect(posts > (6 if step else 0), f"only {posts} POSTs before closing")
        run.expect(not run.finished(), "everything was out before the window closed")
        run.pass_time(3)
        run.expect(run.simulator.stats()["posts"] == posts, "a POST began after closing")
        run.jump(advance=23 * 3600)
        if step:
            run.step_clock(0)
        run.healed()

    words = (
        f"our own is stepped by {step:+g} s and back again"
        if step
        else f"the provider's clock is {ahead:+g} s off ours"
    )
    play.__doc__ = f"The window closes in the middle; {words}."
    return play


def to_the_second(run: Run) -> None:
    """FECHADESDE is some seconds away, to the second; another campaign's deadline passes while it is sent."""
    now = run.provider_now()
    start, deadline = now + 9, now + 12
    later = run.load(start=run.iso(start))
    run.forbid(later, 0, start, "before FECHADESDE")
    urgent = run.load(rows=8000, first=5000, expires=run.iso(deadline))
    run.forbid(urgent, deadline, why="after the deadline")
    run.simulator.set_option(latency=0.25)
    run.processes.start()
    run.wait_clock(deadline + 1)
    run.healed()
    run.wait(run.finished, "both campaigns end", 60)
    counts = run.show(urgent).counts
    run.expect(counts.get("expired", 0) > 0, f"nothing expired: {counts}")


def three_days(run: Run) -> None:
    """A campaign too large for a day, at a rate, over three evenings and two mornings of the provider's clock."""
    run.simulator.set_clock(at=EVENING.replace("21:59:50", "21:58:50"))
    run.load(rows=4500)
    run.processes.start()
    for day in (10, 11):
        run.wait_clock(_at(day, "21:59:12"))
        run.jump(at=f"2026-03-{day} 22:00:01")
        run.pass_time(2)
        run.expect(not run.finished(), f"all was out on day {day}")
        run.jump(at=f"2026-03-{day + 1} 07:59:55")
        run.wait_clock(_at(day + 1, "08:00:06"))
        if day == 10:
            run.jump(at="2026-03-11 21:58:50")
    run.healed()
    days = {post["received_at"][:10] for post in run.simulator.posts()}
    run.expect(len(days) == 3, f"POSTs on {sorted(days)}")


def _at(day: int, clock: str) -> float:
    return datetime.fromisoformat(f"2026-03-{day} {clock}-03:00").timestamp()


def stepped(run: Run) -> None:
    """The provider's clock runs 30 % fast, so that every measurement is soon wrong; starts are kept all the same."""
    run.simulator.set_clock(speed=1.3)
    run.plan(clock_refresh=1.0)
    run.load()
    run.processes.start()
    run.healed()
