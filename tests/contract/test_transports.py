"""One suite over every transport: the same message under the same conditions comes to the same typed result.

A mail server knows nothing of the provider's verdicts, so a mail has a column of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from dispatcher.errors import (
    AccountBlocked,
    CredentialsRefused,
    InDoubt,
    NotDelivered,
    ProviderError,
    SendRefusedByGuard,
    UsageError,
)
from dispatcher.provider.message import LINK_MARK, Message, NotOffered, Sender, SendResult
from ops.simulator.process import SimulatorProcess
from tests.contract.senders import AT, ENDPOINTS, SENDERS
from tests.contract.wire import blackhole, refused_port

HELLO = Message("1161880001", "Hola, saldo $ 10. Empresa SA")
HANDED_OVER = SendResult("handed_over", None, "250 2.0.0 OK: queued")


@pytest.fixture(params=SENDERS)
def name(request: pytest.FixtureRequest) -> str:
    """Every transport in turn."""
    return str(request.param)


@pytest.fixture
def sender(name: str, provider: SimulatorProcess) -> Iterator[Sender]:
    """A sender of that transport for the simulator."""
    made = SENDERS[name](provider)
    yield made
    made.close()


@dataclass(frozen=True)
class Verdict:
    """What the provider says, and how: `by_mail` when our own check says it before a mail leaves."""

    label: str
    message: Message
    status: str
    code: int
    words: str
    options: dict[str, Any] = field(default_factory=dict)
    by_mail: bool = False


def numbered(label: str, numero: str, code: int, words: str) -> Verdict:
    return Verdict(label, Message(numero, "Hola"), "rejected", code, words, by_mail=True)


def worded(label: str, texto: str, code: int, words: str) -> Verdict:
    return Verdict(label, Message("1161880001", texto), "rejected", code, words, by_mail=True)


def ruled(label: str, code: int, words: str, **options: Any) -> Verdict:
    return Verdict(label, HELLO, "rejected", code, words, options)


VERDICTS = [
    Verdict("accepted", HELLO, "accepted", 0, "OK"),
    Verdict("160 characters", Message("1161880001", "x" * 160), "accepted", 0, "OK"),
    Verdict("the whole alphabet", Message("1161880001", "ABCXYZabcxyz0189!?#$%()*+, -./:;=@ x"), "accepted", 0, "OK"),
    ruled("a fixed line", -1, "teléfono fijo", mix={"-1": 1.0}),
    ruled("failed in the past", -2, "muchos fallos", mix={"-2": 1.0}),
    ruled("sent BAJA", -3, "BAJA", baja=["1161880001"]),
    ruled("looks like spam", -5, "SPAM", mix={"-5": 1.0}),
    worded("too long", "x" * 161, -6, "muy largo"),
    numbered("too short a number", "1155", -7, "muy corto"),
    numbered("too long a number", "11618800011", -7, "muy largo"),
    numbered("letters in a number", "11ABC80001", -8, "caracteres inválidos"),
    ruled("no such area", -9, "característica inválida", invalid_prefix=["116"]),
    ruled("refused by the telco", -10, "rechazado", mix={"-10": 1.0}),
    worded("outside the alphabet", "mañana {x}", -11, "caracteres inválidos"),
    numbered("begins with 4", "4161880001", -12, "comenzar con 1, 2 o 3"),
    ruled("do not call", -14, "No Llame", no_call=["1161880001"]),
    worded("a field left open", "Hola *1*", -99, "campo personalizable"),
    ruled("something else", -99, "error desconocido", mix={"-99": 1.0}),
    ruled("a sentence that nobody knows", -99, "la luna está llena", mix={"la luna está llena": 1.0}),
    ruled("outside the window", -99, "franja horaria", window="00:00-01:00", outside_window="refuse"),
]


@pytest.mark.parametrize("case", VERDICTS, ids=lambda case: case.label)
def test_a_verdict_is_the_same_by_every_way(
    name: str, sender: Sender, provider: SimulatorProcess, case: Verdict
) -> None:
    provider.set_option(**case.options)
    result = sender.send(case.message)
    if name == "smtp" and not case.by_mail:
        assert result == HANDED_OVER
    elif name == "smtp":
        assert (result.status, result.code) == (case.status, case.code)
        assert list(provider.posts()) == []
    else:
        assert (result.status, result.code) == (case.status, case.code)
        assert case.words in result.text
    if name != "smtp" or not case.by_mail:
        (line,) = provider.ledger()
        assert (line["destino"], line["texto"]) == (case.message.numero, case.message.texto)
        assert (line["verdict"] == "OK") is (case.code == 0)
        assert line["transport"] == name


def test_the_same_text_to_the_same_number_is_minus_four_whichever_way_it_came(
    name: str, sender: Sender, provider: SimulatorProcess
) -> None:
    SENDERS["http"](provider).send(HELLO)
    result = sender.send(HELLO)
    if name != "smtp":
        assert (result.status, result.code) == ("rejected", -4)
    assert [line["verdict"] == "OK" for line in provider.ledger()] == [True, False]


def test_a_simulation_is_no_acceptance(name: str, sender: Sender, provider: SimulatorProcess) -> None:
    message = Message("1161880001", "Hola", test=True)
    if name == "smtp":
        with pytest.raises(NotOffered):
            sender.send(message)
        assert list(provider.posts()) == []
        return
    result = sender.send(message)
    assert (result.status, result.code) == ("simulated", 1)
    assert provider.stats()["sent"] == 0


def test_idinterno_html_and_date_arrive_or_are_refused(name: str, sender: Sender, provider: SimulatorProcess) -> None:
    message = Message(
        "1161880001",
        f"Mire {LINK_MARK} hoy",
        idinterno="ABC123",
        fechadesde=datetime(2026, 3, 10, 20, 56, tzinfo=UTC),
        html="<p>año € & más</p>",
    )
    if name == "smtp":
        with pytest.raises(NotOffered, match="FECHADESDE"):
            sender.send(message)
        return
    assert sender.send(message).status == "accepted"
    (line,) = provider.ledger()
    assert (line["idinterno"], line["verdict"]) == ("ABC123", None)
    (post,) = provider.posts()
    assert post["fechadesde"] == "2026-03-10 17:56:00"
    assert post["html"].replace("&#8364;", "€") == message.html
    assert post["link"].startswith("http://1rck.in/-")
    provider.set_clock(at="2026-03-10 17:56:00")
    (line,) = provider.ledger()
    assert (line["verdict"], line["fecha"]) == ("OK", "20260310175600")


# -- what the account's state, and broken answers, prove -------------------------------------------------------


@dataclass(frozen=True)
class End:
    """A call that comes to no verdict. `mail` is None where a mail is handed over all the same."""

    label: str
    error: type[ProviderError]
    reason: str
    delivered: str = "unknown"
    mail: tuple[type[ProviderError], str, str] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    fault: dict[str, Any] | None = None
    only: tuple[str, ...] = ("http", "soap", "smtp")
    timeout: float = 5.0
    taken: int = 0


def blocked(label: str, reason: str, **options: Any) -> End:
    return End(label, AccountBlocked, reason, "no", options=options, taken=1)


def refused(label: str, reason: str, words: str) -> End:
    fault = {"kind": "sentence", "text": words}
    return End(label, CredentialsRefused, reason, "no", (NotDelivered, "smtp_554", "no"), fault=fault)


def doubt(label: str, kind: str, reason: str, *, taken: int = 1, **more: Any) -> End:
    limits = {name: more.pop(name) for name in ("only", "timeout", "mail") if name in more}
    limits.setdefault("mail", (InDoubt, reason, "unknown"))
    return End(label, InDoubt, reason, fault={"kind": kind, **more}, taken=taken, **limits)


WEB = ("http", "soap")
ENDS = [
    blocked("no credit", "credit", credit=0),
    blocked("the contract is over", "contract", contract_expires="2026-03-09"),
    End("not this address", CredentialsRefused, "ip", "no", options={"allow_ip": ["10.9.8.7"]}),
    refused("wrong key, in words", "credentials", "bad_key"),
    refused("wrong user, in words", "credentials", "bad_user"),
    refused("not this address, in words", "ip", "ip"),
    doubt("reset after taking", "reset", "reset"),
    doubt("closed after taking", "close", "closed"),
    doubt("silence after taking", "hang", "read_timeout", timeout=0.6),
    doubt("too slow, and not taken", "slow", "read_timeout", when="before", seconds=2, timeout=0.6, taken=0),
    doubt("noise after taking", "noise", "garbage"),
    doubt("drips", "drip", "read_timeout", timeout=0.6, only=WEB),
    doubt("cut in the middle", "truncate", "cut", only=WEB),
    doubt("an error after taking", "error", "http_500", take="all", mail=(NotDelivered, "smtp_451", "no")),
    doubt("an error before taking", "error", "http_500", taken=0, mail=(NotDelivered, "smtp_451", "no")),
    doubt("a page with 200", "html", "html", taken=0, only=WEB),
    doubt("a redirect", "redirect", "redirect", taken=0, only=WEB),
    doubt("50 MB", "huge", "too_large", only=WEB),
    doubt("random bytes", "garbage", "garbage", only=WEB),
    doubt(
        "words that are no verdict", "sentence", "sentence", text="Intente luego", taken=0,
        mail=(NotDelivered, "smtp_554", "no"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "case"), [
    pytest.param(name, case, id=f"{case.label}-{name}") for case in ENDS for name in case.only
])  # fmt: skip
def test_an_end_without_a_verdict_says_what_it_proves(name: str, provider: SimulatorProcess, case: End) -> None:
    sender = SENDERS[name](provider, timeout=case.timeout)
    provider.set_option(**case.options)
    if case.fault is not None:
        provider.set_faults({"endpoint": ENDPOINTS[name], **case.fault})
    if name == "smtp" and case.mail is None:
        assert sender.send(HELLO) == HANDED_OVER
        return
    kind, reason, delivered = (case.error, case.reason, case.delivered)
    if name == "smtp":
        assert case.mail is not None
        kind, reason, delivered = case.mail
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        sender.send(HELLO)
    assert time.monotonic() - began < case.timeout + 1.5
    error = caught.value
    assert (error.reason, error.delivered) == (reason, delivered)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "CLAVE500" not in f"{error} {error!r} {error.__dict__}"
    assert sum(post["taken"] for post in provider.posts()) == case.taken
    assert len(list(provider.posts())) <= 1


def test_wrong_credentials_are_refused_and_not_repeated_in_the_error(name: str, provider: SimulatorProcess) -> None:
    sender = SENDERS[name](provider, secret="S3CR3T0001")
    if name == "smtp":
        assert sender.send(HELLO) == HANDED_OVER
        (post,) = provider.posts()
        assert post["answered"] == "Usuario o clave incorrectos."
        assert post["taken"] == 0
        return
    with pytest.raises(CredentialsRefused) as caught:
        sender.send(HELLO)
    assert (caught.value.delivered, caught.value.scope) == ("no", "account")
    provider.set_faults({"endpoint": ENDPOINTS[name], "kind": "sentence", "text": "la clave S3CR3T0001 es incorrecta"})
    with pytest.raises(CredentialsRefused) as caught:
        sender.send(HELLO)
    assert "S3CR3T0001" not in f"{caught.value} {caught.value.__dict__}"


@pytest.fixture(params=["refused", "unresolved", "connect_timeout"])
def nowhere(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, int]]:
    """A reason and an address where nobody is."""
    if request.param == "refused":
        yield "refused", "127.0.0.1", refused_port()
    elif request.param == "unresolved":
        yield "unresolved", "no-such-host.invalid", 80
    else:
        with blackhole() as port:
            yield "connect_timeout", "127.0.0.1", port


def test_what_never_connected_was_not_delivered(name: str, nowhere: tuple[str, str, int]) -> None:
    reason, host, port = nowhere
    began = time.monotonic()
    with pytest.raises(NotDelivered) as caught:
        AT[name](host, port, 1.5).send(HELLO)
    assert time.monotonic() - began < 3
    assert (caught.value.reason, caught.value.delivered, caught.value.retryable) == (reason, "no", True)


class NotAProviderError(Exception):
    pass


@pytest.mark.parametrize("raised", [SendRefusedByGuard(), NotAProviderError("x"), OSError(5, "x"), KeyboardInterrupt()])
def test_what_the_guard_raises_passes_untouched_and_nothing_is_taken(
    sender: Sender, provider: SimulatorProcess, raised: BaseException
) -> None:
    def guard() -> None:
        raise raised

    with pytest.raises(type(raised)) as caught:
        sender.send(HELLO, guard=guard)
    assert caught.value is raised
    assert list(provider.posts()) == []


def test_the_guard_runs_once(sender: Sender) -> None:
    calls: list[None] = []
    sender.send(HELLO, guard=lambda: calls.append(None))
    assert len(calls) == 1


def test_a_guard_that_uses_up_the_time_proves_that_nothing_left(sender: Sender, provider: SimulatorProcess) -> None:
    def guard() -> None:
        ends = time.monotonic() + 0.7
        while time.monotonic() < ends:
            pass

    with pytest.raises(NotDelivered) as caught:
        sender.send(HELLO, guard=guard, timeout=0.6)
    assert caught.value.reason == "deadline"
    assert list(provider.posts()) == []


def test_a_character_that_cannot_be_sent_is_refused_here(sender: Sender, provider: SimulatorProcess) -> None:
    try:
        result = sender.send(Message("1161880001", "a\x00€"))
    except UsageError:
        assert list(provider.posts()) == []
    else:
        assert (result.status, result.code) == ("rejected", -11)


def test_no_secret_stands_in_a_repr(sender: Sender) -> None:
    assert "CLAVE500" not in repr(sender)
    assert "SIMULADOR" not in repr(sender)
