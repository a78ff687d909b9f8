"""`dispatcher webhook`: an endpoint from its creation to its deletion, and a terminal that listens."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from dispatcher.cli import cli
from dispatcher.runtime import Runtime
from dispatcher.webhooks import delivering, listening, outbox
from dispatcher.webhooks.event_types import EventType
from tests.conftest import wait_until
from tests.integration.stepper import Stepper
from tests.receivers import Receiver, receiver


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime(webhook_allow="127.0.0.1")


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    environment["DISPATCHER_WEBHOOK_ALLOW"] = "127.0.0.1"
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str, code: int = 0) -> Any:
        done = CliRunner().invoke(cli, ["webhook", *arguments, "--json"])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    return call


def deliver(runtime: Runtime) -> None:
    with runtime.engine.connect() as connection:
        due = delivering.due(connection)
    for number, _ in due:
        delivering.deliver(runtime, number)


def pause(runtime: Runtime, *campaigns: int) -> None:
    with runtime.engine.begin() as connection:
        for campaign in campaigns:
            outbox.tell(connection, EventType.CAMPAIGN_PAUSED, campaign)


def test_an_endpoint_lives_from_its_creation_to_its_deletion(
    run: Callable[..., Any], runtime: Runtime, there: Receiver
) -> None:
    made = run("create", there.url, "--event", "campaign.paused", "--event", "campaign.completed")
    name = made["webhook_id"]
    assert made["secret"].startswith("whsec_")
    assert (made["state"], made["events"]) == ("active", ["campaign.completed", "campaign.paused"])
    shown = run("show", name)
    assert "secret" not in shown
    assert run("list") == {"webhooks": [shown]}
    pause(runtime, 1, 2)
    deliver(runtime)
    rotated = run("rotate", name)
    assert rotated["former_secret_until"]
    found = run("deliveries", name)["deliveries"]
    assert [(each["campaign_id"], each["state"]) for each in found] == [(2, "delivered"), (1, "delivered")]
    assert run("deliveries", name, "--state", "failed") == {"deliveries": []}
    assert run("replay", name, "--delivery", str(found[0]["delivery_id"]))["deliveries"] == 1
    assert run("replay", name, "--since", "2020-01-01", "--missed-only")["deliveries"] == 0
    deliver(runtime)
    assert len(there.calls) == 3
    for key in (made["secret"], rotated["secret"]):
        there.calls[2].verify(key)
    assert run("change", name, "--event", "campaign.created")["events"] == ["campaign.created"]
    assert run("disable", name, "--reason", "mudanza")["disabled_why"] == "operator"
    assert run("enable", name)["state"] == "active"
    assert run("delete", name) == {"webhook_id": name, "deleted": True}
    assert run("list") == {"webhooks": []}
    entries = Stepper(runtime).sql("SELECT action, reason, actor_kind FROM audit_entry ORDER BY id")
    assert [entry.action.removeprefix("webhook.") for entry in entries] == [
        *("create", "rotate", "replay", "replay", "change", "disable", "enable", "delete")
    ]
    assert {entry.actor_kind for entry in entries} == {"user"}
    assert entries[5].reason == "mudanza"


def test_a_ping_is_followed_until_it_arrived_or_did_not(
    run: Callable[..., Any], runtime: Runtime, there: Receiver
) -> None:
    name = run("create", there.url, "--event", "ping")["webhook_id"]
    assert "no worker has taken it yet" in run("test", name, "--timeout", "0", code=1)["error"]
    deliver(runtime)
    over = threading.Event()

    def worker() -> None:
        own = Runtime(runtime.settings)
        while not over.wait(0.05):
            deliver(own)
        own.close()

    thread = threading.Thread(target=worker)
    thread.start()
    try:
        answered = run("test", name)
        assert (answered["status"], answered["answer"], answered["state"]) == (200, "thank you", "delivered")
        there.close()
        assert "no connection" in run("test", name, code=1)["error"]
    finally:
        over.set()
        thread.join()


def test_a_terminal_listens_and_forwards(
    run: Callable[..., Any], runtime: Runtime, there: Receiver, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "dispatcher", "webhook", "listen", "--json", "--forward", there.url]
    listener = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: run("list")["webhooks"], 20)
        pause(runtime, 1, 1)
        wait_until(lambda: len(there.calls) == 2, 20)
        listener.send_signal(signal.SIGINT)
        out, err = listener.communicate(timeout=30)
    finally:
        listener.kill()
    assert listener.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert [(each["type"], each["data"]["campaign_id"], each["answered"]) for each in events] == [
        ("campaign.paused", 1, 200)
    ] * 2
    secret = next(word for word in err.split() if word.startswith("whsec_")).rstrip(".")
    for call in there.calls:
        call.verify(secret)
    assert run("list") == {"webhooks": []}


def test_workers_leave_a_terminals_deliveries_to_it(runtime: Runtime) -> None:
    with listening.endpoint(runtime.engine, runtime.settings, [EventType.CAMPAIGN_PAUSED]) as (webhook, _):
        pause(runtime, 1)
        with runtime.engine.connect() as connection:
            assert delivering.due(connection) == []
        claim = delivering.claim_next(runtime.engine, webhook.number)
        assert claim is not None
        assert claim.type == "campaign.paused"


def test_a_terminal_that_is_gone_is_forgotten(runtime: Runtime) -> None:
    stepper = Stepper(runtime)
    with listening.endpoint(runtime.engine, runtime.settings, [EventType.CAMPAIGN_PAUSED]):
        stepper.sql("UPDATE webhook SET listens_until = clock_timestamp() - interval '1 s' RETURNING id")
        pause(runtime, 1)
        assert stepper.sql("SELECT * FROM webhook_event") == []
        listening.forget_gone(runtime.engine)
        assert [row.state for row in stepper.sql("SELECT state FROM webhook")] == ["deleted"]
        stepper.sql("UPDATE webhook SET state = 'active' RETURNING id")  # so that the block can end
