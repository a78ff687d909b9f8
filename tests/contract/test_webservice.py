"""The Web Service beyond a single message: other WSDLs, another address in them, a WSDL that is none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

import pytest

from dispatcher.errors import AnswerError, CredentialsRefused, InDoubt, NotDelivered, UsageError
from dispatcher.provider.message import LINK_MARK, Message, NotOffered
from dispatcher.provider.soap import SoapSender
from dispatcher.provider.soap_inbox import SoapInbox
from ops.simulator import wsdl
from ops.simulator.process import SimulatorProcess
from tests.contract.senders import CLAVE, PAGE, USUARIO, soap_inbox, soap_sender
from tests.contract.wire import Peer, Wire, http, wire

HELLO = Message("1161880001", "Hola")
ENVELOPE = (
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
    '<EnviarSMSResponse xmlns="http://servicio.smsmasivos.com.ar/ws/">%s</EnviarSMSResponse></soap:Body></soap:Envelope>'
)
FAULT = (
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><soap:Fault>'
    "<faultcode>soap:Server</faultcode><faultstring>%s</faultstring></soap:Fault></soap:Body></soap:Envelope>"
)


def result(words: str) -> bytes:
    return http(body=(ENVELOPE % f"<EnviarSMSResult>{words}</EnviarSMSResult>").encode())


def serving(description: bytes, answer: bytes) -> Callable[[Peer], None]:
    """The WSDL to a GET, `answer` to a POST."""

    def script(peer: Peer) -> None:
        while True:
            request = peer.read_request()
            peer.send(http(body=description) if request.startswith(b"GET ") else answer)

    return script


def sender_at(server: Wire) -> SoapSender:
    return SoapSender(server.url + PAGE, USUARIO, CLAVE, timeout=5)


@pytest.fixture
def five_parameters(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A WSDL whose EnviarSMS takes usuario, clave, numero, texto and test alone."""
    monkeypatch.setattr(wsdl, "SEND", wsdl.SEND[:5])
    return wsdl.document("http://127.0.0.1:1/elsewhere.asmx")


def test_the_call_goes_to_the_configured_url_whatever_the_wsdl_says(provider: SimulatorProcess) -> None:
    provider.set_option(wsdl_address="http://no-such-host.invalid/ws/Other.asmx")
    assert soap_sender(provider).send(HELLO).status == "accepted"
    assert list(soap_inbox(provider).pull()) == []


@pytest.mark.parametrize("ending", ["?WSDL", "?wsdl", ""])
def test_the_url_may_be_the_wsdl_s(provider: SimulatorProcess, ending: str) -> None:
    url = provider.url + PAGE + ending
    assert SoapSender(url, USUARIO, CLAVE).send(HELLO).status == "accepted"


def test_the_wsdl_is_read_once(provider: SimulatorProcess) -> None:
    sender = soap_sender(provider)
    for number in range(3):
        sender.send(Message(f"116188000{number}", "Hola"))
    assert provider.stats()["calls"] == {"wsdl": 1, "soap_enviar": 3}


def test_threads_share_one_sender(provider: SimulatorProcess) -> None:
    sender = soap_sender(provider)
    statuses: list[str] = []

    def send(number: int) -> None:
        statuses.append(sender.send(Message(f"116188000{number}", f"Hola {number}")).status)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert statuses == ["accepted"] * 6
    assert sorted(line["texto"] for line in provider.ledger()) == [f"Hola {number}" for number in range(6)]
    assert provider.stats()["calls"]["wsdl"] == 1


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        ("OK", "accepted", 0),
        ("1161880001: probando sin enviar", "simulated", 1),
        ("1161880001: el número de celular es muy corto", "rejected", -7),
    ],
)
def test_a_web_service_without_numeric_answers_is_read_by_its_words(
    five_parameters: bytes, words: str, status: str, code: int
) -> None:
    with wire(serving(five_parameters, result(words))) as server:
        sent = sender_at(server).send(HELLO)
    assert (sent.status, sent.code) == (status, code)
    assert b"respuestanumerica" not in server.received


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (Message("1161880001", "Hola", fechadesde=datetime(2031, 5, 5, 12)), "fechadesde"),
        (Message("1161880001", f"Hola {LINK_MARK}", html="<b>x</b>"), "html"),
    ],
)
def test_what_the_web_service_does_not_take_is_never_left_out_in_silence(
    five_parameters: bytes, message: Message, name: str
) -> None:
    with wire(serving(five_parameters, result("OK"))) as server, pytest.raises(NotOffered, match=name):
        sender_at(server).send(message)
    assert b"POST" not in server.received


def test_a_web_service_without_idinterno_is_sent_none_and_that_is_logged_once(
    five_parameters: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with wire(serving(five_parameters, result("OK"))) as server:
        sender = sender_at(server)
        sent = [sender.send(Message("1161880001", "Hola", idinterno=f"A{number}")).status for number in range(3)]
    assert sent == ["accepted"] * 3
    assert b"idinterno" not in server.received.partition(b"POST")[2]
    assert caplog.text.count("soap_without_idinterno") == 1


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (http("500 Internal Server Error", (FAULT % "Object reference not set").encode()), InDoubt, "soap_fault"),
        (http(body=(FAULT % "Usuario o clave incorrectos.").encode()), CredentialsRefused, "credentials"),
        (http(body=(ENVELOPE % "").encode()), InDoubt, "empty"),
        (http(body=(ENVELOPE % "<Other>OK</Other>").encode()), InDoubt, "*"),
        (http(body=ENVELOPE[:60].encode()), InDoubt, "garbage"),
        (http(body=b'<!DOCTYPE x [<!ENTITY e "OK">]>' + (ENVELOPE % "&e;").encode()), InDoubt, "html"),
        (http(body=b"OK"), None, ""),
    ],
)
def test_an_answer_without_a_verdict_is_in_doubt(answer: bytes, error: type[Exception] | None, reason: str) -> None:
    with wire(serving(wsdl.document("http://x.invalid/"), answer)) as server:
        if error is None:
            assert sender_at(server).send(HELLO).status == "accepted"
            return
        with pytest.raises(error) as caught:
            sender_at(server).send(HELLO)
    assert reason in ("*", getattr(caught.value, "reason", None))


@pytest.fixture(params=["error", "html", "garbage", "reset", "sentence", "huge"])
def broken_wsdl(request: pytest.FixtureRequest, provider: SimulatorProcess) -> SimulatorProcess:
    """A simulator whose WSDL cannot be had."""
    provider.set_faults({"kind": request.param, "endpoint": "wsdl", "text": "Intente luego"})
    return provider


def test_without_a_wsdl_nothing_was_delivered(broken_wsdl: SimulatorProcess) -> None:
    with pytest.raises(NotDelivered) as caught:
        soap_sender(broken_wsdl).send(HELLO)
    assert caught.value.delivered == "no"
    with pytest.raises(AnswerError):
        soap_inbox(broken_wsdl).pull()
    assert list(broken_wsdl.posts()) == []


def test_a_wsdl_that_failed_is_asked_for_again(provider: SimulatorProcess) -> None:
    sender = soap_sender(provider)
    provider.set_faults({"kind": "error", "endpoint": "wsdl", "times": 1})
    with pytest.raises(NotDelivered) as caught:
        sender.send(HELLO)
    assert caught.value.retryable
    assert sender.send(HELLO).status == "accepted"


def test_the_wsdl_counts_in_the_total(provider: SimulatorProcess) -> None:
    provider.set_faults({"kind": "slow", "endpoint": "wsdl", "seconds": 3})
    with pytest.raises(NotDelivered) as caught:
        soap_sender(provider, timeout=0.5).send(HELLO)
    assert caught.value.reason == "read_timeout"


def test_a_wsdl_that_leads_elsewhere_is_not_followed(provider: SimulatorProcess) -> None:
    elsewhere = b'<s:import namespace="x" schemaLocation="http://169.254.169.254/x"/>'
    description = wsdl.document("http://x.invalid/").replace(b"<s:element name=", elsewhere + b"<s:element name=", 1)
    with wire(serving(description, result("OK"))) as server, pytest.raises(NotDelivered) as caught:
        sender_at(server).send(HELLO)
    assert caught.value.reason == "wsdl"
    assert b"POST" not in server.received


@pytest.mark.parametrize("url", ["", "https://host", "https://host/", "ftp://host/x.asmx", "https://host/x.asmx?a=1"])
def test_a_url_that_names_no_web_service_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError):
        SoapSender(url, USUARIO, CLAVE)
    with pytest.raises(UsageError):
        SoapInbox(url, USUARIO, CLAVE)
