"""Numbers and texts in a payload show in no event (so not in Flower and its file), no log, and no answer to inspect."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from tests.acceptance.live_system import LiveSystem

NUMBER, TEXT = "1147382916", "reconocible"
MESSAGE = {"number": NUMBER, "text": f"Su turno {TEXT}", "idinterno": "TURNO1"}
CAMPAIGN = {
    "idempotency_key": "k1",
    "template": f"Hola {{n}}, {TEXT}",
    "recipients": [{"telefono": NUMBER, "n": "Ana"}],
}


class Watcher:
    """Everything that the workers tell of their tasks."""

    def __init__(self, app: Celery) -> None:
        self.events: list[dict[str, Any]] = []
        self._connection = app.connection_for_read()
        self._receiver = app.events.Receiver(self._connection, handlers={"*": self.events.append})
        self._thread = threading.Thread(target=self._receiver.capture)
        self._thread.start()

    def kinds(self, name: str) -> set[str]:
        """The kinds of events that came of the tasks of a name."""
        ids = {event["uuid"] for event in self.events if event.get("name") == name}
        return {event["type"] for event in self.events if event.get("uuid") in ids}

    def close(self) -> None:
        self._receiver.should_stop = True
        self._thread.join(10)
        self._connection.release()


@pytest.fixture
def service(live: LiveSystem, broker_url: str) -> Iterator[Celery]:
    with Celery("service", broker=broker_url) as app:
        yield app


@pytest.fixture
def watcher(service: Celery) -> Iterator[Watcher]:
    made = Watcher(service)
    yield made
    made.close()


def test_no_number_and_no_text_shows_in_events_logs_or_inspect(
    live: LiveSystem, service: Celery, watcher: Watcher
) -> None:
    live.cluster.worker(options=("--loglevel", "DEBUG"), DISPATCHER_PROVIDER_TIMEOUT="30")
    live.hold(endpoint="unit")
    service.send_task("dispatcher.send_message", args=[MESSAGE], queue="urgent")
    live.wait_held()
    active = service.control.inspect(timeout=2).active()
    assert "dispatcher.send_message" in str(active)
    live.let_go()
    live.wait_for(lambda: live.sql("SELECT 1 FROM single_message WHERE state = 'accepted'"), 20, "sent")

    service.send_task("dispatcher.create_campaign", kwargs={"payload": CAMPAIGN}, queue="control")
    # Each of these is refused in its own way: too many arguments, a field that nobody knows, no such task, no message.
    service.send_task("dispatcher.create_campaign", args=[CAMPAIGN, NUMBER], queue="control")
    service.send_task("dispatcher.send_message", args=[{**MESSAGE, NUMBER: TEXT}], queue="urgent")
    service.send_task("dispatcher.send_mesage", args=[MESSAGE], queue="urgent")
    with service.producer_or_acquire() as producer:
        headers = {"lang": "py", "task": "dispatcher.send_message", "id": "broken", "argsrepr": str(MESSAGE)}
        broken = f'[[{{"number": "{NUMBER}", "text": "{TEXT}"'
        producer.publish(broken, headers=headers, routing_key="urgent", content_type="application/json")
        producer.publish({"to": NUMBER}, routing_key="urgent", serializer="json")
    live.wait_for(lambda: live.sql("SELECT 1 FROM campaign_request WHERE state = 'created'"), 20, "created")
    for why in ("unknown task='dispatcher.send_mesage'", "undecodable", "no_task"):
        live.wait_for(lambda why=why: f"message_refused why={why}" in live.cluster.log(), 20, why)  # type: ignore[misc]
    live.wait_for(lambda: "task-succeeded" in watcher.kinds("dispatcher.create_campaign"), 20, "told of it")
    live.wait_for(lambda: "request_refused" in live.cluster.log(), 20, "told of the refusal")
    assert {"task-received", "task-started", "task-succeeded"} <= watcher.kinds("dispatcher.send_message")

    for told in (str(active), str(watcher.events), live.cluster.log()):
        assert NUMBER not in told
        assert TEXT not in told
