"""How long the answers under an Idempotency-Key are kept."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dispatcher.access import replays
from dispatcher.maintenance import tick
from dispatcher.runtime import Runtime
from tests.integration.stepper import Stepper
from tests.integration.web.serving import Api, serving_api
from tests.integration.web.test_problems import check_problem


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


@pytest.mark.parametrize("path", ["/uploads", "/optouts/imports"])
def test_a_file_that_is_sent_again_under_its_key_is_taken_once(api: Api, runtime: Runtime, path: str) -> None:
    def send(data: bytes, key: str = "f", query: str = "") -> Any:
        headers = {"Content-Type": "text/csv", "Idempotency-Key": key}
        return api.call("POST", f"{path}{query}", data=data, headers=headers)

    data = b"telefono\n1144445555\n1144446666\n"
    first, again = send(data), send(data)
    assert first.status_code in (200, 201), first.text
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    check_problem(send(data + b"1144447777\n"), "idempotency_key_reused")
    changed = "?name=x" if path == "/uploads" else "?reason=x"
    check_problem(send(data, query=changed), "idempotency_key_reused")
    check_problem(send(data, key="\u00f1"), "idempotency_key_invalid")
    check_problem(send(b"", key="g"), "refused")
    assert send(data, key="g").status_code == first.status_code  # a refused body uses no key up
    assert kept(Stepper(runtime)) == [first_operation(path)] * 2


def first_operation(path: str) -> str:
    return "create_upload" if path == "/uploads" else "import_optouts"
