"""The truth itself under fire: restarts, cut connections, locks, a full disk, two dispatchers."""

from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from ops.chaos import disk, pgbouncer
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


def disk_full(run: Run) -> None:
    """The disk of the tables fills up in the middle, three times; a campaign that comes then is refused as a whole."""
    run.simulator.set_option(latency=0.1)
    # Not in the home: whoever works there closes it to the server's user.
    with disk.small(run.folder.with_name("small-disk"), megabytes=40) as small:
        run.runtime.close()
        with run.arena.moved(run.database, small.path):
            run.runtime = run.connect()
            try:
                _fill_three_times(run, small)
            finally:
                run.processes.kill()
                run.runtime.close()
        run.runtime = run.connect()


def _fill_three_times(run: Run, small: disk.Small) -> None:
    run.load(rows=3000)
    run.processes.start()
    for number in range(3):
        run.wait_posts(3 + 6 * number, 45)
        small.fill()
        refused = False
        try:
            run.load(rows=20_000, first=100_000)
        except (SQLAlchemyError, psycopg.Error) as error:
            refused = "No space left" in str(error)
        run.expect(refused, "a campaign found room on a full disk, or failed for another reason")
        run.pass_time(2)
        small.empty()
    run.healed()
    run.wait(run.finished, "everything is sent and settled", 60)
    run.expect(run.value("SELECT count(*) FROM campaign") == 1, "a load that failed left a campaign")


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


def pooled(run: Run) -> None:
    """Everything comes through a PgBouncer in transaction mode, with lost answers and a worker that dies."""
    with TemporaryDirectory(prefix="dispatcher-chaos-") as folder:  # the server's user may not enter the run's own
        url = run.enter(pgbouncer.running(run.values["DISPATCHER_DATABASE_URL"], Path(folder), sessions=4))
        run.processes.environment["DISPATCHER_DATABASE_URL"] = url
        run.simulator.set_option(latency=0.1)
        run.fault("close", take="half", times=2, after=3)
        run.load()
        run.load(first=5000, priority="high")
        for side in ("left", "right"):
            run.processes.worker(side)
        run.processes.beat()
        run.wait_posts(8)
        run.processes.kill("left")
        run.healed()
        run.wait(run.finished, "everything is sent and settled", 90)
        run.processes.kill()
