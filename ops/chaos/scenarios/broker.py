"""A broker that dies, forgets, fills up, or says everything twice: hints only, so nothing may change."""

import signal

import redis

from ops.chaos.rabbit import Rabbit
from ops.chaos.run import Run


def killed_and_empty(run: Run) -> None:
    """The broker is killed and comes back empty, three times."""
    run.simulator.set_option(latency=0.1)
    run.load(rows=3000)
    run.processes.start()
    for number in range(3):
        run.wait_posts(3 + 3 * number, 45)
        run.arena.kill_broker()
        run.pass_time(run.dice.uniform(0.2, 1.5))
        run.arena.revive()
    run.healed()


def flushed(run: Run) -> None:
    """Every queue is flushed, again and again."""
    run.simulator.set_option(latency=0.05)
    run.load(rows=3000)
    run.processes.start()
    run.wait_posts(2)
    for _ in range(30):
        with run.arena.broker() as client:
            client.flushall()
        run.pass_time(0.1)
    run.healed()


def out_of_memory(run: Run) -> None:
    """The broker takes nothing more for three seconds."""
    run.simulator.set_option(latency=0.1)
    run.load(rows=3000)
    run.processes.start()
    run.wait_posts(3)
    with run.arena.broker() as client:
        client.config_set("maxmemory", "1")
        run.pass_time(3)
        client.config_set("maxmemory", "0")
    run.healed()


def cut_connections(run: Run) -> None:
    """Every connection to the broker is cut, ten times."""
    run.simulator.set_option(latency=0.1)
    run.load(rows=3000)
    run.processes.start()
    run.wait_posts(2)
    for _ in range(10):
        with run.arena.broker() as client:
            try:
                client.client_kill_filter(_type="normal", skipme=True)
                client.client_kill_filter(_type="pubsub", skipme=True)
            except redis.RedisError:
                continue
        run.pass_time(run.dice.uniform(0.1, 0.5))
    run.healed()


def everything_twice(run: Run) -> None:
    """Each task is published twice, two workers and two beats take them."""
    run.plan(double=True)
    run.load(rows=3000)
    run.load(rows=1000, first=5000)
    run.processes.worker("one")
    run.processes.worker("two")
    run.processes.beat("beat-one")
    run.processes.beat("beat-two")
    run.healed()


def rabbit_restarts(run: Run) -> None:
    """The broker is RabbitMQ with quorum queues; it is killed, stopped in order and started again in the middle."""
    with Rabbit(run.folder / "rabbit").running() as rabbit:
        run.simulator.set_option(latency=0.1)
        run.processes.environment["DISPATCHER_BROKER_URL"] = rabbit.url
        run.load(rows=4000)
        run.processes.start()
        for number, how in enumerate((signal.SIGKILL, signal.SIGTERM)):
            run.wait_posts(3 + 6 * number, 60)
            rabbit.stop(how)
            run.pass_time(run.dice.uniform(0.2, 1.5))
            rabbit.start()
        run.healed()
        run.wait(run.finished, "everything is sent and settled", 90)
        run.processes.kill()


def rabbit_twice(run: Run) -> None:
    """The broker is RabbitMQ; each task is published twice, two workers and two beats take them, one of each dies."""
    with Rabbit(run.folder / "rabbit").running() as rabbit:
        run.simulator.set_option(latency=0.1)
        run.processes.environment["DISPATCHER_BROKER_URL"] = rabbit.url
        run.plan(double=True)
        run.load(rows=4000)
        for side in ("left", "right"):
            run.processes.worker(side)
            run.processes.beat(f"beat-{side}")
        run.wait_posts(6, 60)
        run.processes.kill("left", "beat-left")
        run.healed()
        run.wait(run.finished, "everything is sent and settled", 90)
        run.processes.kill()
