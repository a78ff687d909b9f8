"""Payload tasks while the database is away: each is kept until it is stored, and then carried out once."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from celery import Celery
from kombu import Queue

from ops.chaos import rabbit
from ops.chaos.database_proxy import DatabaseProxy
from ops.chaos.rabbit import Rabbit
from ops.embedded import Embedded
from tests.acceptance.live_system import LiveSystem
from tests.conftest import wait_until

NUMBER = "1144445555"
CAMPAIGN = {"idempotency_key": "k1", "template": "Hola {n}", "recipients": [{"telefono": NUMBER, "n": "Ana"}]}
MESSAGE = {"number": NUMBER, "text": "Su turno es a las 15", "idinterno": "TURNO1"}


class Outage:
    """A worker whose way to the database is cut, and a service that goes on handing payloads in."""

    def __init__(self, live: LiveSystem) -> None:
        self.live = live
        environment = live.cluster.environment
        self.proxy = DatabaseProxy(environment["DISPATCHER_DATABASE_URL"])
        environment["DISPATCHER_DATABASE_URL"] = self.proxy.url
        self.service = Celery("service", broker=environment["DISPATCHER_BROKER_URL"])
        if environment["DISPATCHER_BROKER_URL"].startswith("amqp"):  # as the dispatcher declares them
            quorum = {"x-queue-type": "quorum"}
            self.service.conf.task_queues = [Queue(name, queue_arguments=quorum) for name in ("control", "urgent")]

    def begin(self, *options: str) -> None:
        """Start a worker, see it work, then cut its way and hand one payload of each kind in."""
        cluster = self.live.cluster
        cluster.worker("one", options=options)
        cluster.beat()
        self.live.finish(self.live.load(1))
        self.proxy.close()
        self.service.send_task("dispatcher.create_campaign", args=[CAMPAIGN], queue="control")
        self.service.send_task("dispatcher.send_message", args=[MESSAGE], queue="urgent")
        self.wait_for_tries("one")

    def wait_for_tries(self, name: str, tries: int = 2) -> None:
        """Both payloads were tried so many times by that worker."""
        kinds = ("dispatcher.create_campaign", "dispatcher.send_message")

        def tried() -> bool:
            log = self.live.cluster.log(name)
            return all(log.count(f"payload_waits task={kind}") >= tries for kind in kinds)

        self.live.wait_for(tried, 30, "both payloads wait")

    def wait_until_it_waits(self, name: str) -> None:
        """That worker has started, and takes no task while the database is away."""
        self.live.wait_for(lambda: "database_awaited" in self.live.cluster.log(name), 30, f"{name} waits")

    def end(self) -> None:
        """Let the database be back, and see each payload carried out once."""
        assert self.live.value("SELECT count(*) FROM campaign_request") == 0
        self.proxy.open()
        self.live.wait_for(lambda: self.states() == (["created"], ["accepted"]), 40, "both are carried out")
        campaign = self.live.value("SELECT campaign_id FROM campaign_request")
        self.live.finish(campaign)
        assert self.live.value("SELECT count(*) FROM campaign WHERE name = 'k1'") == 1
        sent = [line["texto"] for line in self.live.simulator.ledger() if line["destino"] == NUMBER]
        assert sorted(sent) == ["Hola Ana", "Su turno es a las 15"]

    def states(self) -> tuple[list[str], list[str]]:
        requests = self.live.sql("SELECT state FROM campaign_request")
        messages = self.live.sql("SELECT state FROM single_message")
        return [row.state for row in requests], [row.state for row in messages]


@pytest.fixture
def make_outage(live: LiveSystem) -> Iterator[Callable[[str], Outage]]:
    """Outages with a broker of the test's own."""
    made: list[Outage] = []

    def make(broker_url: str) -> Outage:
        live.cluster.environment["DISPATCHER_BROKER_URL"] = broker_url
        made.append(Outage(live))
        return made[-1]

    yield make
    for outage in made:
        outage.service.close()
        outage.proxy.close()


@pytest.fixture
def outage(make_outage: Callable[[str], Outage], broker_url: str) -> Outage:
    return make_outage(broker_url)


POOLS = pytest.mark.parametrize("pool", ["prefork", "threads"])


@POOLS
def test_payloads_wait_for_the_database_and_are_carried_out_once(pool: str, outage: Outage) -> None:
    outage.begin("-P", pool)
    outage.end()


def test_a_hard_limit_on_tasks_does_not_end_the_waiting(outage: Outage) -> None:
    outage.begin("--time-limit", "2")
    outage.wait_for_tries("one", tries=4)
    outage.end()


@POOLS
def test_a_worker_that_is_told_to_stop_stops_soon_and_puts_its_payloads_back(pool: str, outage: Outage) -> None:
    outage.begin("-P", pool)
    outage.live.cluster.processes["one"].terminate()
    outage.live.cluster.processes["one"].wait(15)
    outage.live.cluster.worker("two")
    outage.wait_until_it_waits("two")
    outage.end()


@POOLS
def test_the_next_worker_takes_over_the_payloads_of_one_that_was_killed(pool: str, outage: Outage) -> None:
    outage.begin("-P", pool)
    outage.live.cluster.kill("one")
    outage.live.cluster.worker("two")
    outage.wait_until_it_waits("two")
    outage.end()


def test_a_worker_that_starts_beside_one_that_works_repeats_nothing(outage: Outage) -> None:
    outage.begin()
    outage.live.cluster.worker("two")
    outage.wait_until_it_waits("two")
    outage.end()


def test_a_process_of_the_pool_that_is_killed_leaves_its_payload_with_the_broker(outage: Outage) -> None:
    outage.begin()
    for child in psutil.Process(outage.live.cluster.processes["one"].pid).children(recursive=True):
        child.send_signal(signal.SIGKILL)
    outage.wait_for_tries("one", tries=5)
    outage.end()


def test_a_broker_that_crashes_meanwhile_keeps_the_payloads(
    make_outage: Callable[[str], Outage], own_broker: Embedded
) -> None:
    address = own_broker.start(database=False, broker=True).broker_url
    assert address
    outage = make_outage(address)
    outage.begin()
    pid = own_broker._state()["valkey_pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 10)
    own_broker.start(database=False, broker=True)
    outage.live.cluster.worker("two")  # the first one may not survive this; then its supervisor starts it again
    outage.wait_until_it_waits("two")
    outage.end()


def test_over_rabbitmq_a_killed_worker_and_a_crashed_broker_lose_no_payload(
    make_outage: Callable[[str], Outage], tmp_path: Path
) -> None:
    if reason := rabbit.missing():
        pytest.skip(reason)
    with Rabbit(tmp_path / "rabbit").running() as node:
        outage = make_outage(node.url)
        outage.begin()
        outage.live.cluster.kill("one")
        outage.live.cluster.worker("two")
        outage.wait_until_it_waits("two")
        node.stop()
        node.start()
        outage.end()
