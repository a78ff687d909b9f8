"""`dispatcher.create_campaign` from another service: one key makes one campaign, the whole of it or none."""

from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.acceptance.live_system import LiveSystem
from tests.acceptance.test_campaign import write_list
from workers.payloads import WRONG_CALL


@pytest.fixture
def service(live: LiveSystem, broker_url: str) -> Any:
    """Hands payloads in as another service does: it knows the broker, the task's name and its queue."""
    client = Celery("service", broker=broker_url)

    def send(**payload: Any) -> None:
        client.send_task("dispatcher.create_campaign", args=[payload], queue="control")

    yield send
    client.close()


def request(live: LiveSystem, key: str) -> Any:
    """The row of `campaign_request`; None before it is there."""
    rows = live.sql("SELECT * FROM campaign_request WHERE idempotency_key = :key", key=key)
    return rows[0] if rows else None


def outcome(live: LiveSystem, key: str, deadline: float = 30) -> Any:
    """The row of `campaign_request`, once it has an outcome."""
    return live.wait_for(
        lambda: (row := request(live, key)) is not None and row.state != "received" and row,
        deadline,
        f"{key} has an outcome",
    )


RECIPIENTS = [{"celular": f"11{30_000_000 + n}", "nombre": f"Ana {n}"} for n in range(50)]
LISTS = "lists"


def put(live: LiveSystem, name: str, rows: int) -> Path:
    """A list in the dispatcher's inbox."""
    inbox = Path(live.cluster.environment["DISPATCHER_HOME"]) / LISTS
    inbox.mkdir(parents=True, exist_ok=True)
    return write_list(inbox / name, rows)


def test_inline_and_file_payloads_go_out_and_ten_at_once_make_one_campaign(live: LiveSystem, service: Any) -> None:
    put(live, "lista.csv", 60)
    for _ in range(10):
        service(idempotency_key="inline", template="Hola {nombre}", recipients=RECIPIENTS)
        service(idempotency_key="file", template="Hola {nombre}, debe {saldo}", file="lista.csv")
    service(idempotency_key="outside", template="Hola {nombre}", file="../lista.csv")
    service(idempotency_key="no column", template="Hola {apellido}", recipients=RECIPIENTS)
    live.cluster.worker("one")
    live.cluster.worker("two")
    live.cluster.beat()
    for key, messages in (("inline", 50), ("file", 60)):
        row = outcome(live, key)
        assert (row.state, row.error) == ("created", None)
        assert live.finish(row.campaign_id).messages == messages
        live.assert_every_line_once(row.campaign_id)
    assert live.value("SELECT count(*) FROM campaign") == 2
    for key in ("outside", "no column"):
        assert outcome(live, key).state == "refused"
        assert outcome(live, key).error
    # Another payload under the same key is refused, in words, and the campaign stays.
    before = request(live, "inline")
    service(idempotency_key="inline", template="Otra cosa {nombre}", recipients=RECIPIENTS)
    live.wait_for(lambda: request(live, "inline").error, 10, "the refusal is written down")
    assert request(live, "inline").campaign_id == before.campaign_id
    # So is the same name with other bytes.
    put(live, "lista.csv", 61)
    service(idempotency_key="file", template="Hola {nombre}, debe {saldo}", file="lista.csv")
    live.wait_for(lambda: request(live, "file").error, 10, "the refusal is written down")
    assert live.value("SELECT count(*) FROM campaign") == 2


def test_a_worker_killed_in_the_middle_of_loading_leaves_no_half_and_the_next_one_loads_the_whole(
    live: LiveSystem, service: Any
) -> None:
    put(live, "larga.csv", 300_000)
    service(idempotency_key="long", template="Hola {nombre}", file="larga.csv", start="2040-01-01 09:00:00")
    live.cluster.start()
    loading = "SELECT 1 FROM pg_stat_progress_copy WHERE datname = current_database()"
    live.wait_for(lambda: live.sql(loading), 30, "rows are being copied")
    live.cluster.kill("worker")
    live.wait_for(lambda: not live.sql(loading), 10, "the database noticed")
    assert request(live, "long").state == "received"
    for table in ("campaign", "chunk", "message", "invalid_row"):
        assert live.value(f"SELECT count(*) FROM {table}") == 0
    live.cluster.worker()
    row = outcome(live, "long", 60)
    assert row.state == "created"
    assert live.value("SELECT count(*) FROM campaign") == 1
    assert live.value("SELECT count(*) FROM message") == 300_000
    found = live.show(row.campaign_id)
    assert (found.state, found.counts) == ("scheduled", {"pending": 300_000})
    assert live.simulator.stats()["posts"] == 0


def test_a_call_with_other_arguments_than_a_payload_leaves_a_refusal(live: LiveSystem, broker_url: str) -> None:
    payload = {"template": "Hola {nombre}", "recipients": RECIPIENTS[:3]}
    message = {"number": "1144445555", "text": "Hola"}
    with Celery("service", broker=broker_url) as client:
        client.send_task("dispatcher.create_campaign", args=[{"idempotency_key": "two", **payload}, 7], queue="control")
        client.send_task("dispatcher.create_campaign", kwargs={"idempotency_key": "fields", **payload}, queue="control")
        client.send_task("dispatcher.send_message", args=[{"idinterno": "DOS", **message}, 7], queue="urgent")
    live.cluster.worker("one")
    refused = outcome(live, "two")
    assert (refused.state, refused.error) == ("refused", WRONG_CALL)
    assert outcome(live, "fields").state == "created"
    sent = "SELECT state, text FROM single_message WHERE idinterno = 'DOS'"
    (single,) = live.wait_for(lambda: live.sql(sent), 30, "the message has a record")
    assert (single.state, single.text) == ("refused", WRONG_CALL)
