"""`/metrics`: what it says of a life, who may read it, and that it costs nothing that grows."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from dispatcher.access.scopes import Scope
from dispatcher.maintenance import metrics, tick
from dispatcher.runtime import Runtime
from dispatcher.web import web_app
from tests.integration.stepper import Stepper
from tests.integration.web.serving import make_key, serving

NUMBER = "1144445555"


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(chunk_size=100))


def read(runtime: Runtime) -> dict[tuple[str, ...], float]:
    """Samples by name and the values of their labels."""
    families = text_string_to_metric_families(metrics.Metrics(runtime).text().decode())
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_a_life_in_figures(stepper: Stepper) -> None:
    runtime = stepper.runtime
    before = read(runtime)
    assert before["dispatcher_up", "database"] == 1
    assert before["dispatcher_up", "broker"] == 1
    campaign_id = stepper.load(250)
    waiting = read(runtime)
    assert waiting["dispatcher_chunks", "due"] == 3
    assert waiting["dispatcher_campaigns", "scheduled"] == 1
    stepper.finish(campaign_id)
    after = read(runtime)
    assert after["dispatcher_messages_total", "0"] == 250
    assert after["dispatcher_attempts_total", "accepted"] == 3
    assert {after["dispatcher_chunks", state] for state in ("due", "sending", "accepted", "in_doubt", "held")} == {0}
    assert after["dispatcher_campaigns", "running"] == 0
    assert after["dispatcher_account_blocked",] == 0
    assert after["dispatcher_window_open",] == 1
    assert after["dispatcher_heartbeat_age_seconds", "tick"] < 60


def test_what_was_counted_is_folded_and_stays(stepper: Stepper) -> None:
    engine = stepper.runtime.engine
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO tally (kind, label, n) SELECT 'result', '-1', 2 FROM generate_series(1, 600)")
        )
    tick.tick(stepper.runtime)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tally")).scalar_one() < 10
    assert read(stepper.runtime)["dispatcher_messages_total", "-1"] == 1200


def test_what_may_not_go_now_does_not_age(stepper: Stepper, make_runtime: Callable[..., Runtime]) -> None:
    stepper.load(10)
    with stepper.runtime.engine.begin() as connection:
        connection.execute(
            text("UPDATE campaign SET created_at = now() - interval '1 hour', opened_at = now() - interval '1 hour'")
        )
    tick.tick(stepper.runtime)
    name = "dispatcher_oldest_claimable_age_seconds"
    assert read(stepper.runtime)[name, "normal"] > 3000
    assert read(stepper.runtime)[name, "high"] == 0
    with stepper.runtime.engine.begin() as connection:
        connection.execute(
            text("UPDATE account SET blocked_at = now(), blocked_words = 'no', blocked_cause = 'answer'")
        )
    blocked = read(stepper.runtime)
    assert blocked[name, "normal"] == 0
    assert blocked["dispatcher_account_blocked",] == 1


def test_the_database_away_is_a_finding(make_runtime: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = make_runtime()

    def refused(*_: object) -> None:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(runtime.engine.pool, "_creator", refused)
    found = read(runtime)
    assert found["dispatcher_up", "database"] == 0
    assert found["dispatcher_up", "broker"] == 1


def test_who_may_read_them(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime()
    good, other = make_key(runtime, [Scope.ACCOUNT_READ]), make_key(runtime, [Scope.CAMPAIGNS_READ])
    with serving(runtime, web_app.create_app) as base:
        local = requests.get(f"{base}/metrics", timeout=10)
        assert local.status_code == 200
        assert "dispatcher_build_info" in local.text
        for headers, status in (
            ({}, 401),
            ({"Authorization": f"Bearer {other}"}, 403),
            ({"Authorization": f"Bearer {good}"}, 200),
        ):
            through_a_proxy = {"X-Forwarded-For": "203.0.113.9", **headers}
            assert requests.get(f"{base}/metrics", headers=through_a_proxy, timeout=10).status_code == status


def test_no_number_and_no_text_is_in_them(stepper: Stepper) -> None:
    campaign_id = stepper.load(3, template="Secreto {nombre}", name="Nombre secreto")
    stepper.finish(campaign_id)
    shown = metrics.Metrics(stepper.runtime).text().decode()
    assert "ecreto" not in shown
    assert "1120000" not in shown


def test_ten_seconds_are_read_once(stepper: Stepper, monkeypatch: pytest.MonkeyPatch) -> None:
    known = metrics.Metrics(stepper.runtime)
    first = known.text()
    monkeypatch.setattr(metrics, "generate_latest", lambda registry: pytest.fail("read again"))
    assert known.text() == first
