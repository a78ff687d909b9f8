"""A payload that waits: tried again while the database is away, handed over to a fresh message, put back at a stop."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import Reject, SoftTimeLimitExceeded
from sqlalchemy.exc import OperationalError

from workers import payloads
from workers.payloads import HIDDEN, WRONG_CALL, PayloadTask, the_payload

AWAY = OperationalError("SELECT 1", {}, Exception("connection refused"))


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A task in the middle of its run, with what it publishes in `published`."""
    monkeypatch.setattr(payloads, "WAITS", (0.0, 0.0, 0.0))
    with Celery("unit", broker="memory://") as app:

        @app.task(bind=True, base=PayloadTask, name="unit.payload")
        def payload(self: PayloadTask, given: dict[str, Any]) -> None:
            """Never run."""

        payload.published = []
        monkeypatch.setattr(payload, "apply_async", lambda *args, **options: payload.published.append((args, options)))
        payload.push_request(id="t-1", args=[{"number": "1144445555"}], kwargs={}, expires="2030-01-01T00:00:00")
        yield payload
        payload.pop_request()


def failing(times: int, error: Exception = AWAY) -> Any:
    """A way to store that fails so many times, and what it answers then."""
    left = [error] * times

    def store() -> str:
        if left:
            raise left.pop()
        return "stored"

    return store


def test_it_is_tried_again_until_it_is_stored(task: Any) -> None:
    assert task.until_stored(failing(2)) == "stored"
    assert task.published == []


def test_after_a_while_the_same_task_is_published_anew_before_this_message_is_acknowledged(task: Any) -> None:
    assert task.until_stored(failing(99)) is None
    (((args, kwargs), options),) = task.published
    assert (args, kwargs) == ([{"number": "1144445555"}], {})
    assert (options["task_id"], options["expires"]) == ("t-1", "2030-01-01T00:00:00")
    assert (options["argsrepr"], options["kwargsrepr"]) == (HIDDEN, HIDDEN)


def test_while_the_broker_is_away_too_this_message_goes_on_waiting(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(task, "apply_async", away)
    assert task.until_stored(failing(7)) == "stored"


@pytest.mark.parametrize(("given", "again"), [({}, False), ({"delivery_info": {"redelivered": True}}, True)])
def test_a_fresh_message_knows_whether_an_earlier_one_may_have_begun(
    given: dict[str, Any], again: bool, task: Any
) -> None:
    task.push_request(id="t-1", args=[], kwargs={}, **given)
    task.until_stored(failing(99))
    (_, options) = task.published[0]
    task.push_request(id="t-1", args=[], kwargs={}, **(options["headers"] or {}))
    assert task.again is again
    task.pop_request()
    task.pop_request()


def test_a_worker_that_stops_puts_the_message_back(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "WAITS", (60.0,))
    monkeypatch.setattr(payloads._Shared, "stopping", bytearray(b"\x01"))
    with pytest.raises(Reject) as caught:
        task.until_stored(failing(1))
    assert caught.value.requeue


def test_a_worker_tells_no_other_workers_pool_that_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may all be forks of one process, which has imported the module for them."""
    inherited = bytearray(1)
    monkeypatch.setattr(payloads._Shared, "stopping", inherited)
    payloads._share()
    payloads._tell_the_pool()
    assert payloads._Shared.stopping[0] == 1
    assert inherited[0] == 0


def test_a_limit_on_the_tasks_time_puts_the_message_back(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_time(_: float) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(payloads, "WAITS", (60.0,))
    monkeypatch.setattr(payloads.time, "sleep", out_of_time)
    with pytest.raises(Reject) as caught:
        task.until_stored(failing(1))
    assert caught.value.requeue


def test_a_bug_is_no_outage(task: Any) -> None:
    with pytest.raises(KeyError):
        task.until_stored(failing(1, KeyError("x")))


ONE, OTHER = {"idempotency_key": "a"}, {"idempotency_key": "b"}


@pytest.mark.parametrize(
    ("arguments", "named", "meant", "wrong"),
    [
        ((ONE,), {}, ONE, None),
        ((), {"payload": ONE}, ONE, None),
        ((), ONE, ONE, None),
        ((None,), {}, None, None),
        ((), {}, None, WRONG_CALL),
        ((ONE, 7), {}, ONE, WRONG_CALL),
        ((7, ONE, OTHER), {}, ONE, WRONG_CALL),
        ((ONE,), {"priority": 3}, ONE, WRONG_CALL),
    ],
)
def test_no_call_of_a_task_loses_its_payload(
    arguments: tuple[Any, ...], named: dict[str, Any], meant: Any, wrong: str | None
) -> None:
    assert the_payload(arguments, named) == (meant, wrong)
