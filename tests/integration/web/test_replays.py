"""How long the answers under an Idempotency-Key are kept."""

from collections.abc import Callable, Iterator

import pytest

from dispatcher.access import replays
from dispatcher.maintenance import tick
from dispatcher.runtime import Runtime
from tests.integration.stepper import Stepper
from tests.integration.web.serving import Api, serving_api


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving_api(runtime) as api:
        yield api


def kept(stepper: Stepper) -> list[str]:
    return [row.operation for row in stepper.sql("SELECT operation FROM api_replay ORDER BY operation")]


def later(stepper: Stepper, hours: int) -> None:
    stepper.sql(
        f"UPDATE api_replay SET expires_at = expires_at - interval '{hours} hours',"
        f" lease_until = lease_until - interval '{hours} hours'"
    )


def test_the_tick_drops_answers_after_a_day_and_those_of_what_was_sent_after_400(api: Api, runtime: Runtime) -> None:
    stepper = Stepper(runtime)
    wanted = {"url": "https://crm.example.com/sms", "events": ["ping"]}
    assert api.post("/webhooks", wanted, once="w").status_code == 201
    assert api.post("/messages", {"number": "1144445555", "text": "Hola"}, once="m").status_code == 200
    tick.tick(runtime)
    assert kept(stepper) == ["create_webhook", "send_message"]
    later(stepper, 25)
    tick.tick(runtime)
    assert kept(stepper) == ["send_message"]
    later(stepper, 400 * 24)
    tick.tick(runtime)
    assert kept(stepper) == []


def test_a_round_is_bounded_and_leaves_a_call_that_runs_alone(runtime: Runtime) -> None:
    stepper = Stepper(runtime)
    stepper.sql(
        "INSERT INTO api_replay (operation, idempotency_key, body_sha256, lease_until, expires_at)"
        " SELECT 'x', n::text, '', now() + make_interval(mins => CASE WHEN n = 1 THEN 5 ELSE -5 END),"
        " now() - interval '1 second' FROM generate_series(1, 1500) n"
    )
    assert [replays.drop_old(runtime.engine) for _ in range(3)] == [1000, 499, 0]
    assert kept(stepper) == ["x"]
