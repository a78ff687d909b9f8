"""One suite over every way to pull replies: the same replies, whatever form they come in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from dispatcher.errors import AnswerError
from dispatcher.provider.inbox import Inbox
from dispatcher.provider.replies import Reply
from ops.simulator.process import SimulatorProcess
from tests.contract.senders import INBOXES
from tests.contract.wire import refused_port

NOON = datetime(2026, 3, 10, 12)
ENDPOINTS = {"text": "inbox", "excel": "inbox", "soap": "soap_recibir"}


@pytest.fixture(params=INBOXES)
def name(request: pytest.FixtureRequest) -> str:
    """Every way in turn."""
    return str(request.param)


@pytest.fixture
def inbox(name: str, provider: SimulatorProcess) -> Iterator[Inbox]:
    """The simulator's inbox, that way."""
    made = INBOXES[name](provider)
    yield made
    made.close()


def test_an_empty_inbox_is_no_replies(inbox: Inbox) -> None:
    assert list(inbox.pull()) == []


def test_replies_come_whole_and_the_newest_first(inbox: Inbox, provider: SimulatorProcess) -> None:
    provider.reply("1161880001", "Sí, mañana & pasado <b>", idinterno="ABC1")
    provider.reply("1161880002", "BAJA", idinterno="")
    provider.set_clock(advance=5)
    provider.reply("1161880001", "gracias; ñandú", idinterno="ABC3")
    pulled = inbox.pull()
    assert list(pulled) == [
        Reply(1003, "1161880001", "gracias; ñandú", datetime(2026, 3, 10, 12, 0, 5), "ABC3"),
        Reply(1002, "1161880002", "BAJA", NOON, None),
        Reply(1001, "1161880001", "Sí, mañana & pasado <b>", NOON, "ABC1"),
    ]
    assert pulled.malformed == 0


def test_a_reply_carries_the_idinterno_of_what_it_answers_when_asked(inbox: Inbox, provider: SimulatorProcess) -> None:
    provider.reply("1161880001", "ok", idinterno="ABC1")
    assert [reply.idinterno for reply in inbox.pull()] == ["ABC1"]
    assert [reply.idinterno for reply in inbox.pull(with_idinterno=False)] == [None]


def test_one_number_s_replies_may_be_asked_for(inbox: Inbox, provider: SimulatorProcess) -> None:
    provider.reply("1161880001", "uno")
    provider.reply("1161880002", "dos")
    assert [reply.texto for reply in inbox.pull("1161880002")] == ["dos"]
    assert list(inbox.pull("1161880003")) == []


def test_what_is_marked_is_not_unread_any_more(inbox: Inbox, provider: SimulatorProcess) -> None:
    provider.reply("1161880001", "uno")
    assert len(inbox.pull(only_unread=True)) == 1
    assert len(inbox.pull(only_unread=True, mark_read=True)) == 1
    assert len(inbox.pull(only_unread=True)) == 0
    provider.reply("1161880001", "dos")
    assert [reply.texto for reply in inbox.pull(only_unread=True)] == ["dos"]
    assert len(inbox.pull()) == 2


def test_a_marked_answer_that_gets_lost_is_still_there_for_a_full_pull(name: str, provider: SimulatorProcess) -> None:
    provider.reply("1161880001", "uno")
    provider.set_faults({"kind": "reset", "endpoint": ENDPOINTS[name], "times": 1})
    with pytest.raises(AnswerError):
        INBOXES[name](provider).pull(only_unread=True, mark_read=True)
    assert list(INBOXES[name](provider).pull(only_unread=True)) == []
    assert [reply.texto for reply in INBOXES[name](provider).pull()] == ["uno"]


@pytest.mark.parametrize("texto", ["<html><body>hola", "<table>", "</table>", "1155\t", "PENDIENTE", "a;b,c", "="])
def test_nothing_that_a_person_writes_ends_the_reading(inbox: Inbox, provider: SimulatorProcess, texto: str) -> None:
    provider.reply("1161880001", "antes")
    provider.reply("1161880001", texto)
    provider.reply("1161880001", "después")
    assert [reply.texto.strip() for reply in inbox.pull()] == ["después", texto.strip(), "antes"]


def test_tabs_and_line_ends_in_a_reply_stay_in_it(inbox: Inbox, provider: SimulatorProcess) -> None:
    provider.set_option(raw_replies=True)
    provider.reply("1161880001", "uno\tdos\ntres 4")
    provider.reply("1161880002", "chau")
    assert [reply.texto for reply in inbox.pull()] == ["chau", "uno\tdos\ntres 4"]


@dataclass(frozen=True)
class Failure:
    label: str
    reason: str
    fault: dict[str, Any] | None = None
    timeout: float = 5.0
    retryable: bool = True


FAILURES = [
    Failure("reset", "reset", {"kind": "reset"}),
    Failure("closed", "closed", {"kind": "close"}),
    Failure("silence", "read_timeout", {"kind": "hang"}, timeout=0.6),
    Failure("drips", "read_timeout", {"kind": "drip"}, timeout=0.6),
    Failure("cut", "cut", {"kind": "truncate"}),
    Failure("500", "http_500", {"kind": "error"}),
    Failure("a page", "html", {"kind": "html"}),
    Failure("a redirect", "redirect", {"kind": "redirect"}),
    Failure("50 MB", "too_large", {"kind": "huge"}),
    Failure("wrong key", "credentials", {"kind": "sentence", "text": "bad_key"}, retryable=False),
    Failure("not this address", "ip", {"kind": "sentence", "text": "ip"}, retryable=False),
]


@pytest.mark.parametrize("case", FAILURES, ids=lambda case: case.label)
def test_an_unusable_answer_is_an_error_and_never_an_empty_inbox(
    name: str, provider: SimulatorProcess, case: Failure
) -> None:
    provider.reply("1161880001", "hola")
    assert case.fault is not None
    provider.set_faults({"endpoint": ENDPOINTS[name], **case.fault})
    with pytest.raises(AnswerError) as caught:
        INBOXES[name](provider, timeout=case.timeout).pull()
    assert (caught.value.reason, caught.value.retryable) == (case.reason, case.retryable)
    assert caught.value.__context__ is None


def test_wrong_credentials_are_said_and_not_repeated(name: str, provider: SimulatorProcess) -> None:
    with pytest.raises(AnswerError) as caught:
        INBOXES[name](provider, secret="S3CR3T0001").pull()
    assert (caught.value.reason, caught.value.retryable) == ("credentials", False)
    assert "S3CR3T0001" not in f"{caught.value} {caught.value.__dict__}"


def test_nobody_there_is_an_error(name: str, provider: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "url", f"http://127.0.0.1:{refused_port()}")
    with pytest.raises(AnswerError) as caught:
        INBOXES[name](provider).pull()
    assert caught.value.reason == "refused"


def test_a_repr_shows_no_secret(inbox: Inbox) -> None:
    assert "CLAVE500" not in repr(inbox)
    assert "SIMULADOR" not in repr(inbox)
