"""The rules and dashboards of `ops/monitoring`, with the real Prometheus and Alertmanager against a real listener."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import yaml
from sqlalchemy import text

from dispatcher.maintenance import tick
from dispatcher.runtime import Runtime
from dispatcher.web import web_app
from tests.conftest import wait_until
from tests.integration.stepper import Stepper
from tests.integration.web.serving import serving
from tests.processes import ROOT

FOLDER = ROOT / "ops" / "monitoring"
RULES = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"][0]["rules"]
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))


def program(*names: str) -> str:
    """One of these programs; without it the test skips, except where CI says that it must be there."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        why = f"{names[0]} is not installed (Debian: prometheus prometheus-alertmanager)"
        if os.environ.get("TESTS_SKIP_NOTHING"):
            pytest.fail(why)
        pytest.skip(why)
    return found


def test_promtool_finds_the_rules_right_and_each_of_them_fires_and_clears() -> None:
    tool = program("promtool")
    for arguments in (["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]):
        done = subprocess.run([tool, *arguments], cwd=FOLDER, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    tested = {
        case["alertname"]
        for each in yaml.safe_load((FOLDER / "rules_test.yml").read_text())["tests"]
        for case in each["alert_rule_test"]
    }
    assert tested == {rule["alert"] for rule in RULES}


def test_each_alert_leads_to_a_page_of_the_runbook() -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert {rule["alert"] for rule in RULES} == set(headings)
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_prometheus_and_alertmanager_take_their_configuration(tmp_path: Path) -> None:
    written = (FOLDER / "prometheus.yml").read_text().replace("/run/secrets/metrics_key", str(tmp_path / "key"))
    (tmp_path / "key").write_text("smsd_x")
    (tmp_path / "prometheus.yml").write_text(written)
    shutil.copy(FOLDER / "rules.yml", tmp_path)
    for arguments in (
        [program("promtool"), "check", "config", "prometheus.yml"],
        [program("amtool"), "check-config", str(FOLDER / "alertmanager.yml")],
    ):
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


class Prometheus:
    """A Prometheus that scrapes one listener every second."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, object]]:
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10).json()
        assert answer["status"] == "success", answer
        return list(answer["data"]["result"])

    def firing(self) -> set[str]:
        alerts = requests.get(f"{self.url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}


@pytest.fixture
def watched(
    make_runtime: Callable[..., Runtime], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Stepper, Prometheus]]:
    """A dispatcher, and the real Prometheus over it with the real rules; their patience is a second."""
    binary = program("prometheus")
    monkeypatch.setattr("dispatcher.maintenance.metrics.KEPT", 0.0)
    runtime = make_runtime(chunk_size=100)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    rules = re.sub(r"for: \d+m", "for: 1s", (FOLDER / "rules.yml").read_text())
    (tmp_path / "rules.yml").write_text(rules)
    with serving(runtime, web_app.create_app) as base:
        target = base.removeprefix("http://")
        (tmp_path / "prometheus.yml").write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": ["rules.yml"],
                    "scrape_configs": [{"job_name": "dispatcher", "static_configs": [{"targets": [target]}]}],
                }
            )
        )
        process = subprocess.Popen(
            [
                binary,
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        try:
            wait_until(lambda: _ready(prometheus.url), 15)
            yield Stepper(runtime), prometheus
        finally:
            process.terminate()
            process.wait(20)


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=2).ok
    except requests.ConnectionError:
        return False


def test_every_query_of_the_dashboards_has_an_answer(watched: tuple[Stepper, Prometheus]) -> None:
    stepper, prometheus = watched
    stepper.finish(stepper.load(250))
    with stepper.runtime.engine.begin() as connection:
        connection.execute(text("INSERT INTO balance (account_id, saldo) SELECT id, 1000 FROM account"))
        connection.execute(text("INSERT INTO tally (kind, label, n) VALUES ('result', '-10', 3)"))
    tick.tick(stepper.runtime)
    wait_until(lambda: prometheus.query("count_over_time(dispatcher_up[1m]) > 3"), 15)
    for board in DASHBOARDS:
        panels = json.loads(board.read_text())["panels"]
        assert panels
        for panel in panels:
            for target in panel["targets"]:
                assert prometheus.query(target["expr"]), f"{board.name}, {panel['title']}: {target['expr']}"


def test_the_rules_fire_and_clear_when_faults_are_caused(watched: tuple[Stepper, Prometheus]) -> None:
    stepper, prometheus = watched
    stepper.load(10)
    tick.tick(stepper.runtime)
    wait_until(lambda: prometheus.query("dispatcher_up"), 15)
    assert prometheus.firing() == set()
    engine = stepper.runtime.engine
    faults = {
        "DispatcherBlocked": (
            "UPDATE account SET blocked_at = now(), blocked_words = 'no', blocked_cause = 'answer'",
            "UPDATE account SET blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL",
        ),
        "DispatcherNoHeartbeat": (
            "UPDATE heartbeat SET at = now() - interval '5 minutes'",
            "UPDATE heartbeat SET at = now()",
        ),
        "DispatcherRetentionLate": (
            "INSERT INTO heartbeat (name, at) VALUES ('retention', now() - interval '2 days')",
            "UPDATE heartbeat SET at = now()",
        ),
        "DispatcherNothingClaimed": (
            "UPDATE campaign SET opened_at = now() - interval '1 hour', created_at = now() - interval '1 hour'",
            "UPDATE campaign SET opened_at = now(), created_at = now()",
        ),
        "DispatcherBalanceLow": (
            "INSERT INTO balance (account_id, saldo) SELECT id, 1 FROM account",
            "INSERT INTO balance (account_id, saldo, at) SELECT id, 1000, now() + interval '1 second' FROM account",
        ),
        "DispatcherHeld": (
            "UPDATE chunk SET state = 'held', doubt_since = now()",
            "UPDATE chunk SET state = 'due', doubt_since = NULL",
        ),
    }
    for alert, (cause, mend) in faults.items():
        with engine.begin() as connection:
            connection.execute(text(cause))
        wait_until(lambda alert=alert: alert in prometheus.firing(), 15, alert)  # type: ignore[misc]
        with engine.begin() as connection:
            connection.execute(text("UPDATE heartbeat SET at = now()"))
            connection.execute(text(mend))
        wait_until(lambda alert=alert: alert not in prometheus.firing(), 15, alert)  # type: ignore[misc]


def test_a_scrape_is_quick(make_runtime: Callable[..., Runtime]) -> None:
    from dispatcher.maintenance.metrics import Metrics

    stepper = Stepper(make_runtime(chunk_size=100))
    stepper.finish(stepper.load(500))
    known = Metrics(stepper.runtime)
    known.text()
    known._read_at = -100.0
    began = time.perf_counter()
    known.text()
    assert time.perf_counter() - began < 1.0
