"""The truth itself under fire: restarts, cut connections, locks, a wiped and a restored database, another key."""

from dispatcher import decisions
from ops.chaos.arena import APIKEY
from ops.chaos.run import Run


def crashes(run: Run) -> None:
    """Postgres stops at once in the middle of everything, three times, and recovers from its log."""
    run.simulator.set_option(latency=0.1)
    run.load(rows=3000)
    run.processes.start()
    for number in range(3):
        run.wait_posts(3 + 4 * number, 45)
        run.arena.crash_postgres()
        run.pass_time(run.dice.uniform(0.2, 1.0))
        run.arena.revive()
        run.runtime.engine.dispose()
    run.healed()


def connections_cut(run: Run) -> None:
    """Every connection is terminated, twenty times."""
    run.simulator.set_option(latency=0.05)
    run.load(rows=3000)
    run.processes.start()
    run.wait_posts(2)
    for _ in range(20):
        run.arena.admin(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{run.database}' AND application_name = 'dispatcher'"
        )
        run.pass_time(run.dice.uniform(0.05, 0.3))
    run.runtime.engine.dispose()
    run.healed()


def a_migration_waits(run: Run) -> None:
    """A migration takes the tables for itself, waits for the workers, and they for it."""
    run.simulator.set_option(latency=0.05)
    run.load(rows=3000)
    run.processes.start()
    run.wait_posts(4)
    for table in ("chunk", "message", "account"):
        with run.runtime.engine.begin() as connection:
            connection.exec_driver_sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            run.pass_time(1.5)
    run.healed()


def wiped(run: Run) -> None:
    """The database is lost in the middle; the provider remembers everything. The new life never meets the old ids."""
    run.load()
    run.processes.start()
    run.wait_posts(8)
    run.processes.kill()
    run.runtime.close()
    run.inputs.clear()
    run.arena.clone(run.database)
    run.runtime = run.connect()
    run.load(first=50_000, template="De nuevo para {n}")
    run.healed()
    run.processes.start()
    run.wait(run.finished, "the new life's campaign", 45)
    # The old life's results come into the new one's polls; the scenario before the loss is not counted.
    run.expect(run.value("SELECT sum(foreign_lines) FROM account") > 0, "no line of the former life showed up")


def restored(run: Run) -> None:
    """This morning's dump comes back after everything was sent: nothing goes out again, results find their messages."""
    run.simulator.set_option(latency=0.15)
    run.load()
    run.processes.start()
    run.wait_posts(6)
    run.processes.kill()
    run.runtime.close()
    run.arena.clone("chaos_dump", template=run.database)
    run.runtime = run.connect()
    run.processes.start()
    run.wait(run.finished, "everything sent and settled", 60)
    posts = run.simulator.stats()["posts"]
    run.processes.kill()
    run.runtime.close()
    run.arena.clone(run.database, template="chaos_dump")
    run.runtime = run.connect()
    decisions.restored(run.runtime.engine)
    run.healed()
    run.processes.start()
    run.wait(run.finished, "what the provider knows is settled", 60)
    run.wait(lambda: not run.value("SELECT count(*) FROM chunk WHERE state = 'held'"), "held chunks find their results")
    run.expect(run.simulator.stats()["posts"] == posts, "something was POSTed after the restore")


def another_key(run: Run) -> None:
    """The key is swapped in the middle for one of another account: nothing goes out under it."""
    run.simulator.set_option(apikey=[APIKEY, "OTHER:other"], latency=0.1)
    run.load(rows=3000)
    run.processes.start()
    run.wait_posts(4)
    run.processes.kill()
    run.processes.environment["DISPATCHER_APIKEY"] = "OTHER"
    run.processes.start()
    run.pass_time(5)
    strangers = sum(1 for post in run.simulator.posts() if post["account"] == "other")
    run.expect(strangers == 0, f"{strangers} POSTs went out under the other key")
    run.processes.kill()
    run.processes.environment["DISPATCHER_APIKEY"] = APIKEY
    run.healed()
    run.processes.start()


def two_dispatchers(run: Run) -> None:
    """Two whole dispatchers on one account and database, one of them killed in the middle."""
    run.simulator.set_option(latency=0.1)
    run.load(rows=3000)
    for side in ("left", "right"):
        run.processes.worker(side)
        run.processes.beat(f"beat-{side}")
    run.wait_posts(6)
    most = run.simulator.stats()["most_in_flight"].get("bulk", 0)
    run.expect(most <= 2, f"{most} POSTs at once, the account's limit is 2")
    run.processes.kill("left", "beat-left")
    run.healed()
