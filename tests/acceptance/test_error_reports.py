"""Reports to Sentry, taken by a server of the test's own: what failed and where is in them, and nothing private."""

import gzip
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from celery import Celery

from dispatcher import error_reports
from dispatcher.config import Settings
from dispatcher.errors import UsageError
from tests.acceptance.live_system import LiveSystem
from tests.acceptance.test_replies import free_port
from tests.conftest import APIKEY
from tests.processes import ROOT
from tests.receivers import Receiver, receiver

NUMBER, TEXT, NAME = "1147382988", "reconocible", "Anastasia"
MESSAGE = {"number": NUMBER, "text": f"Su turno {TEXT}", "idinterno": "TURNO1"}


@pytest.fixture
def sentry() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def dsn(sentry: Receiver) -> str:
    return f"http://publickey@127.0.0.1:{sentry.port}/7"


def envelopes(sentry: Receiver) -> list[str]:
    """The bodies that came, readable."""
    return [
        (gzip.decompress(call.raw) if call.headers.get("content-encoding") == "gzip" else call.raw).decode()
        for call in sentry.calls
    ]


def assert_nothing_private(said: list[str]) -> None:
    for word in ("47382988", TEXT, NAME, APIKEY, "Failing row"):
        assert not any(word in each for each in said), word


def test_a_task_that_fails_is_reported_without_what_it_worked_on(
    live: LiveSystem, sentry: Receiver, broker_url: str
) -> None:
    live.sql(f"ALTER TABLE single_message ADD CONSTRAINT forbidden CHECK (destino NOT LIKE '%{NUMBER}')")
    live.cluster.worker(SENTRY_DSN=dsn(sentry))
    with Celery("service", broker=broker_url) as service:
        service.send_task("dispatcher.send_message", args=[MESSAGE], queue="urgent")
        service.send_task("dispatcher.poll", args=[TEXT, NAME, NUMBER], queue="poll")
    live.wait_for(
        lambda: any("dispatcher.poll" in each or "TypeError" in each for each in envelopes(sentry)), 60, "a report"
    )
    said = envelopes(sentry)
    assert_nothing_private(said)
    assert any('"type":"TypeError"' in each.replace(" ", "") for each in said), said


def test_a_page_that_fails_is_reported_without_its_request(live: LiveSystem, sentry: Receiver) -> None:
    key = live.cluster.cli("key", "create", "crm", "--scope", "optouts:write")["key"]
    port = free_port()
    live.cluster.spawn(
        "web",
        [sys.executable, "-c", FAILING.replace("COMMAND", "['web']")],
        DISPATCHER_WEB_PORT=str(port),
        DISPATCHER_SENTRY_DSN=dsn(sentry),
    )
    where = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{where}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    live.wait_for(answers, 60, "the listener answers")
    headers = {"Authorization": f"Bearer {key}", "Cookie": f"name={NAME}"}
    answer = requests.put(f"{where}/api/v1/optouts/{NUMBER}", headers=headers, json={"reason": NAME}, timeout=60)
    assert answer.status_code == 500
    live.wait_for(lambda: any("ValueError" in each for each in envelopes(sentry)), 60, "a report")
    said = envelopes(sentry)
    assert_nothing_private([*said, live.cluster.log("web")])
    assert not any(key[-20:] in each for each in said)


FAILING = f"""
import sys
from dispatcher.suppression import optouts

def broken(*values, **named):
    text = "{TEXT}"
    raise ValueError(f"cannot read {{values}} {{named}} {{text}} {NUMBER}")

optouts.add = broken
sys.argv[1:] = COMMAND
from dispatcher.cli import main
main()
"""


def test_a_command_that_fails_is_reported_without_its_arguments(live: LiveSystem, sentry: Receiver) -> None:
    environment = {**live.cluster.environment, "SENTRY_DSN": dsn(sentry)}
    done = subprocess.run(
        [sys.executable, "-c", FAILING.replace("COMMAND", f"['optout', 'add', '{NUMBER}']")],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        timeout=240,
    )
    assert b"ValueError" in done.stderr
    said = envelopes(sentry)
    assert len(said) == 1
    assert "ValueError" in said[0]
    assert "optout" in said[0]
    assert_nothing_private(said)


def test_without_the_package_the_start_says_what_to_do(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, live: LiveSystem, tmp_path: Path
) -> None:
    (tmp_path / "sentry_sdk.py").write_text("raise ImportError")
    monkeypatch.setattr(error_reports, "find_spec", lambda name: None)
    error_reports.require(make_settings())
    settings = make_settings(sentry_dsn="https://key@sentry.example.com/1")
    with pytest.raises(UsageError, match="sentry-sdk is not installed"):
        error_reports.require(settings)
    assert not error_reports.start(settings)
    monkeypatch.undo()
    checks = subprocess.run(
        [sys.executable, "-m", "dispatcher", "doctor", "--json"],
        env={**live.cluster.environment, "DISPATCHER_SENTRY_DSN": "no dsn at all"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "DISPATCHER_SENTRY_DSN is no DSN." in checks.stdout
