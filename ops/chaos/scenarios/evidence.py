"""What was sent and looks unsent: slow results, a stuck carrier, a database that went back in time, no credit."""

from collections.abc import Callable

from ops.chaos.run import Run
from ops.chaos.scenarios.restores import post_beyond_a_dump, restore_dump

_REFUSED = "SELECT count(*) FROM message WHERE result_code = -14"
_SENT = "SELECT count(*) FROM chunk WHERE state IN ('due', 'sending')"


def slow_and_lost(run: Run) -> None:
    """The only POST of an account is taken and its answer is lost; results come many horizons later."""
    run.simulator.set_option(delay_min=15, delay_max=30)
    run.fault("close", take="all", times=1, endpoint="bulk")
    run.load(rows=100)
    run.processes.start()
    run.wait(lambda: run.value(_SENT) == 0, "all went out")
    run.pass_time(12)
    run.expect(run.simulator.stats()["posts"] == 2, "lines that the provider had not come to were taken for absent")
    run.healed()


def slow_and_never_had(run: Run) -> None:
    """The first POST never arrives, and the provider is slow: its lines go again once later ones have results."""
    run.simulator.set_option(delay_min=4, delay_max=6)
    run.fault("close", take="none", times=1, endpoint="bulk")
    run.load(rows=300)
    run.processes.start()
    run.wait(lambda: run.value("SELECT count(*) FROM chunk WHERE resends > 0") == 1, "the lines went again", 90)
    run.healed()


def refused_at_once(run: Run) -> None:
    """The last line is refused as it is read, long before the lost POST's lines are sent: that shows nothing."""
    people = run.people(100)
    last = str(people[-1]["telefono"])
    run.simulator.set_option(delay_min=25, delay_max=30, refuse_at_once=True, no_call=[last], mix={})
    run.fault("close", take="all", times=1, endpoint="bulk")
    run.load(rows=100)
    run.processes.start()
    run.wait(lambda: run.value(_REFUSED) == 1, "the last line is refused", 60)
    run.pass_time(12)
    run.expect(run.simulator.stats()["posts"] == 2, "a refusal was taken for evidence")
    run.healed()


def stuck_carrier(run: Run) -> None:
    """Two answers are lost while one carrier of ten is stuck; released, its results come."""
    run.simulator.set_option(slow_suffix=["7"], slow_seconds=None)
    run.fault("close", take="all", times=2, endpoint="bulk", after=2)
    run.load(rows=1000)
    run.processes.start()
    run.wait(lambda: run.value(_SENT) == 0, "all went out")
    run.pass_time(15)
    run.expect(run.value("SELECT count(*) FROM chunk WHERE resends > 0") == 0, "stuck lines were taken for absent")
    run.simulator.release_lines()
    run.simulator.set_option(slow_suffix=[])
    run.healed()


def out_of_order(run: Run) -> None:
    """Results come in any order over half a minute, and answers are lost on the way."""
    run.simulator.set_option(out_of_order=True, delay_min=0, delay_max=25)
    run.fault("close", take="all", times=3, endpoint="bulk", after=3)
    run.load(rows=2000)
    run.processes.start()
    run.wait(lambda: run.value(_SENT) == 0, "all went out")
    run.healed()


def restored_unnoticed(after: int) -> Callable[[Run], None]:
    """Make a scenario in which a dump from after so many POSTs comes back, and nobody says so."""

    def play(run: Run) -> None:
        campaign = post_beyond_a_dump(run, after, latency=0.1)
        posts = run.simulator.stats()["posts"]
        restore_dump(run)
        run.processes.start()
        stopped = "SELECT count(*) FROM account WHERE stale_at IS NOT NULL"
        run.wait(lambda: run.value(stopped) == 1, "the account stops by itself", 60)
        run.expect(run.simulator.stats()["posts"] == posts, "something was POSTed by the older database")
        blocked = run.show(campaign).blocked or ""
        run.expect("db restored" in blocked, f"the operator is told {blocked!r}")
        run.pass_time(5)
        run.expect(run.simulator.stats()["posts"] == posts, "something was POSTed after the account was stopped")
        run.healed()

    play.__doc__ = f"A dump of {after} POSTs comes back after ten more, and nobody says so: nothing goes out twice."
    return play


def no_credit(run: Run) -> None:
    """Bulk POSTs are taken without credit, and their lines refused; once there is credit they all go."""
    run.simulator.set_option(credit=150, refuse_calls=False, mix={}, delay_min=0, delay_max=0)
    run.load(rows=600)
    run.processes.start()
    blocked = "SELECT count(*) FROM account WHERE blocked_cause = 'credit'"
    run.wait(lambda: run.value(blocked) == 1, "the account is blocked")
    for _ in range(5):
        run.pass_time(1)
        run.hurry(30)
    campaign = next(iter(run.inputs))
    run.expect(run.show(campaign).state == "running", "the campaign ended without its messages")
    run.simulator.change_plan(top_up=100_000)
    run.healed()
    for _ in range(20):
        run.hurry(300)
        run.sql("UPDATE account SET balance_at = NULL")
        run.pass_time(1)
    run.wait(run.finished, "all are sent", 60)
    rejected = run.value("SELECT count(*) FROM message WHERE result_code = -99")
    run.expect(rejected == 0, f"{rejected} messages failed for want of credit")
