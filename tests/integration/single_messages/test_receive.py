"""A message that comes as a task: what can never be stored is refused in a record, what was sent is written down."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from dispatcher.runtime import Runtime
from dispatcher.single_messages import records, send
from ops.simulator.process import SimulatorProcess
from tests.integration.stepper import Stepper

ANA = "1144445555"
MARK = "ver http://1rck.in/-000000"


def nested(depth: int) -> Any:
    found: Any = "x"
    for _ in range(depth):
        found = [found]
    return found


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime], simulator: SimulatorProcess) -> Stepper:
    made = Stepper(make_runtime(provider_timeout=2))
    send.receive(made.runtime, {"number": ANA, "text": "antes", "idinterno": "ANTES"}, "0")
    return made


def record(stepper: Stepper, idinterno: str) -> Any:
    (row,) = stepper.sql("SELECT * FROM single_message WHERE idinterno = :id", id=idinterno)
    return row


@pytest.mark.parametrize(
    "fields",
    [
        {"surprise\x00": 1},
        {"text": "a\x00b"},
        {"text": "\ud800"},
        {"number": "11\x0044"},
        {"number": "\ud800"},
        {"number": nested(900)},
        {"number": None},
        {"text": "x" * 10_000},
        {"text": MARK, "html": "a\x00b"},
        {"text": MARK, "html": "\udfff"},
        {"start": "\x00"},
        {"transport": "pigeon"},
        {"idinterno": "a\x00b"},
    ],
    ids=lambda fields: "+".join(fields).replace("\x00", "0"),
)
def test_what_can_never_be_stored_is_refused_in_a_record(
    fields: dict[str, Any], stepper: Stepper, simulator: SimulatorProcess
) -> None:
    send.receive(stepper.runtime, {"number": ANA, "text": "Hola", "idinterno": "R1", **fields}, "0c3f-77")
    row = record(stepper, "T0c3f77" if "idinterno" in fields else "R1")
    assert row.state == "refused"
    assert row.text
    assert [line["texto"] for line in simulator.ledger()] == ["antes"]


def test_a_refusal_never_touches_the_message_that_has_the_idinterno(stepper: Stepper) -> None:
    before = record(stepper, "ANTES")
    assert send.receive(stepper.runtime, {"number": ANA, "text": "otra", "idinterno": "ANTES"}, "1") is None
    assert send.receive(stepper.runtime, {"number": ANA, "idinterno": "antes"}, "2") is None
    assert record(stepper, "ANTES") == before


class Away:
    """A database that fails to take an outcome so many times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self._finish = records.finish

    def finish(self, *arguments: Any) -> None:
        if self.left:
            self.left -= 1
            raise OperationalError("UPDATE", {}, Exception("server closed the connection"))
        self._finish(*arguments)


def test_an_outcome_is_written_down_once_the_database_is_back(
    stepper: Stepper, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "_FINISH_WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(records, "finish", Away(3).finish)
    send.receive(stepper.runtime, {"number": ANA, "text": "Hola", "idinterno": "UNO"}, "1")
    assert (record(stepper, "UNO").state, record(stepper, "UNO").code) == ("accepted", 0)
    assert [line["idinterno"] for line in simulator.ledger()].count("UNO") == 1


def test_an_outcome_that_cannot_be_written_down_is_told_and_leads_to_no_second_call(
    stepper: Stepper, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "_FINISH_WAITS", (0.0,))
    payload = {"number": ANA, "text": "Hola", "idinterno": "UNO"}
    with monkeypatch.context() as patched:
        patched.setattr(records, "finish", Away(99).finish)
        sent = send.receive(stepper.runtime, payload, "1")
    assert sent is not None
    assert sent.status == "accepted"
    assert record(stepper, "UNO").state == "sending"
    stepper.sql("UPDATE single_message SET lease_until = now() - interval '1 second' WHERE idinterno = 'UNO'")
    again = send.receive(stepper.runtime, payload, "1", redelivered=True)
    assert again is not None
    assert again.status == "unknown"
    assert [line["idinterno"] for line in simulator.ledger()].count("UNO") == 1
