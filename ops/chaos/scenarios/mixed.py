"""Several faults at seeded moments, in a seeded order, on top of each other."""

from ops.chaos.run import Run


def kill_child(run: Run) -> None:
    """kill -9 of one pool process."""
    if children := run.processes.pool():
        run.dice.choice(children).kill()


def restart_worker(run: Run) -> None:
    """kill -9 of the worker; a new one."""
    run.processes.kill("worker")
    run.processes.worker()


def flush_broker(run: Run) -> None:
    """The broker forgets everything."""
    with run.arena.broker() as client:
        client.flushall()


def cut_postgres(run: Run) -> None:
    """Every connection to the database ends."""
    run.arena.admin(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{run.database}' "
        "AND application_name = 'dispatcher'"
    )
    run.runtime.engine.dispose()


def crash_postgres(run: Run) -> None:
    """The database server crashes and comes back."""
    run.arena.crash_postgres()
    run.arena.revive()
    run.runtime.engine.dispose()


def lose_answers(run: Run) -> None:
    """The answers of the next two POSTs are lost, after taking some of their lines."""
    run.fault("close", take=run.dice.choice(["all", "half", "none"]), times=2)


def fail_polls(run: Run) -> None:
    """The next questions about results break."""
    run.fault(run.dice.choice(["error", "truncate", "garbage", "reset"]), endpoint="status", times=3)


def refuse(run: Run) -> None:
    """Nobody listens for a second."""
    run.fault("refused", seconds=1)


FAULTS = (
    *(kill_child, restart_worker, flush_broker, cut_postgres, crash_postgres),
    *(lose_answers, lose_answers, fail_polls, refuse),
)


def mixed(run: Run) -> None:
    """Ten faults of every kind at random moments, while three campaigns of different priority run."""
    run.simulator.set_option(latency=0.2)
    for number, priority in enumerate(("low", "normal", "high")):
        run.load(rows=2000, first=5000 * number, priority=priority)
    run.processes.start()
    run.wait_posts(2)
    for _ in range(10):
        run.dice.choice(FAULTS)(run)
        run.pass_time(run.dice.uniform(0.1, 1.5))
    run.healed()
