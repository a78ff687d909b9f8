"""What other services hand in, and what people write back, while something else is broken."""

import time
from typing import Any

from celery import Celery
from kombu.entity import Queue

from ops.chaos.database_proxy import DatabaseProxy
from ops.chaos.rabbit import Rabbit
from ops.chaos.run import Run

_CAMPAIGNS, _MESSAGES = 10, 20
_CREATED = "SELECT count(*) FROM campaign_request WHERE state = 'created'"
_ACCEPTED = "SELECT count(*) FROM single_message WHERE state = 'accepted'"


def service(broker_url: str) -> Celery:
    """Another service: it knows the broker, the tasks' names and their queues."""
    client = Celery("service", broker=broker_url)
    if broker_url.startswith("amqp"):  # as the dispatcher declares them
        quorum = {"x-queue-type": "quorum"}
        client.conf.task_queues = [
            Queue(name, queue_arguments=quorum)  # type: ignore[no-untyped-call]
            for name in ("control", "urgent")
        ]
    return client


def create_campaign(broker_url: str, **payload: Any) -> None:
    """Hand one campaign in."""
    with service(broker_url) as client:
        client.send_task("dispatcher.create_campaign", args=[payload], queue="control", retry=False)


def payloads_wait(run: Run) -> None:
    """Postgres is away for a quarter of a minute while campaigns and messages are handed in, and a worker dies."""
    _payloads(run, run.arena.broker_url)


def payloads_wait_in_rabbit(run: Run) -> None:
    """The same with RabbitMQ, which is killed meanwhile, too."""
    rabbit = run.enter(Rabbit(run.folder / "rabbit").running())
    run.processes.environment["DISPATCHER_BROKER_URL"] = rabbit.url
    _payloads(run, rabbit.url, rabbit)


def _payloads(run: Run, broker_url: str, rabbit: Rabbit | None = None) -> None:
    proxy = DatabaseProxy(run.values["DISPATCHER_DATABASE_URL"])
    run.stack.callback(proxy.close)
    run.processes.environment["DISPATCHER_DATABASE_URL"] = proxy.url
    run.simulator.set_option(latency=0.1)
    run.load()
    run.processes.start()
    run.wait_posts(3)
    proxy.close()
    away = time.monotonic()
    with service(broker_url) as client:
        for number in range(_CAMPAIGNS):
            payload = {
                "idempotency_key": f"k{number}",
                "template": _words(number),
                "recipients": _people(run, number),
            }
            client.send_task("dispatcher.create_campaign", args=[payload], queue="control")
        for number in range(_MESSAGES):
            message = {"number": f"11{60_000_000 + number}", "text": f"Turno {number}", "idinterno": f"TURNO{number}"}
            client.send_task("dispatcher.send_message", args=[message], queue="urgent")
    run.wait(lambda: "payload_waits" in run.processes.log("worker"), "payloads wait", 60)
    run.processes.kill("worker")
    if rabbit:
        rabbit.stop()
        rabbit.start()
    run.processes.worker("another")
    run.pass_time(max(0.0, away + 14 - time.monotonic()))
    proxy.open()
    run.healed()
    run.wait(lambda: run.value(_CREATED) == _CAMPAIGNS, "every campaign is made", 90)
    run.wait(lambda: run.value(_ACCEPTED) == _MESSAGES, "every message is sent", 90)
    for row in run.sql("SELECT idempotency_key, campaign_id FROM campaign_request WHERE campaign_id IS NOT NULL"):
        number = int(row.idempotency_key[1:])
        run.expect_rows(row.campaign_id, _people(run, number), _words(number))
    run.expect(run.value("SELECT count(*) FROM campaign") == _CAMPAIGNS + 1, "a campaign was made twice")
    sent = sorted(line["texto"] for line in run.simulator.ledger() if str(line.get("texto")).startswith("Turno "))
    run.expect(sent == sorted(f"Turno {number}" for number in range(_MESSAGES)), f"single messages sent: {sent}")


def _people(run: Run, number: int) -> list[dict[str, object]]:
    return run.people(100, first=10_000 + 100 * number)


def _words(number: int) -> str:
    return f"Cola {number} para {{n}}"


def large_inbox(run: Run) -> None:
    """The inbox holds 20 MB that were read long ago; who writes BAJA then gets no later message."""
    run.simulator.fill_inbox(100, size=200_000, read=True)
    _optout_in_time(run, run.people(1)[0]["telefono"], "BAJA")
    run.wait(lambda: run.value("SELECT count(*) FROM reply") == 101, "the whole inbox is stored", 60)


def control_character(run: Run) -> None:
    """A reply by the Web Service has a character that no XML may have; who writes BAJA after it is heard."""
    run.simulator.set_option(user=["CHAOS:clave"])
    run.simulator.reply("1150000001", "hola\x1a", idinterno="")
    _optout_in_time(run, run.people(1)[0]["telefono"], "BAJA")
    run.wait(lambda: run.value("SELECT count(*) FROM reply") == 2, "both replies are stored", 60)


def _optout_in_time(run: Run, number: object, words: str) -> None:
    """Somebody of a running campaign opts out; the next campaign leaves that number alone."""
    run.load()
    run.processes.start()
    run.wait_posts(3)
    written = time.monotonic()
    run.simulator.reply(str(number), words)
    heard = "SELECT count(*) FROM optout WHERE destino = :number"
    run.wait(lambda: run.value(heard, number=number), "the opt-out is heard", 90)
    run.measured(f"BAJA was heard {time.monotonic() - written:.1f} s after it was written, with a pull each second")
    run.healed()
    second = run.load()
    run.wait(run.finished, "both campaigns end", 60)
    left = run.show(second).counts.get("suppressed", 0)
    run.expect(left == 1, f"{left} numbers were left out of the second campaign")
