"""The same over TLS: the certificate is checked, and the deadline holds inside the tunnel too."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.errors import InDoubt, SendRefusedByGuard, UsageError
from dispatcher.provider.deadline import Deadline
from dispatcher.provider.http import HttpProvider
from dispatcher.provider.inbox import HttpInbox
from dispatcher.provider.message import Message
from dispatcher.provider.unit import UnitSender
from dispatcher.provider.webservice import WebService
from ops.simulator import wsdl
from tests.contract.conftest import Certificate
from tests.contract.wire import Peer, answering, http, wire

KEY = "S3CR3TKEY0001"
BLOQUE = b"XXX\t1161880001\tHola"


def test_a_post_over_tls_is_accepted(certificate: Certificate) -> None:
    with wire(answering(http(body=b"OK")), certificate.context) as server:
        HttpProvider(server.url, KEY, timeout=5, ca_bundle=str(certificate.path)).send_bulk(BLOQUE)
    assert b"XXX%091161880001%09Hola" in server.received


def test_a_certificate_that_nobody_signed_lets_no_byte_leave(certificate: Certificate) -> None:
    with wire(answering(http(body=b"OK")), certificate.context) as server:
        with pytest.raises(InDoubt) as caught:
            HttpProvider(server.url, KEY, timeout=5).send_bulk(BLOQUE)
        assert server.received == b""
    assert caught.value.reason == "tls"


def test_the_guard_over_tls_runs_before_any_byte_of_the_request(certificate: Certificate) -> None:
    def guard() -> None:
        raise SendRefusedByGuard

    with wire(answering(http(body=b"OK")), certificate.context) as server:
        provider = HttpProvider(server.url, KEY, timeout=5, ca_bundle=str(certificate.path))
        with pytest.raises(SendRefusedByGuard):
            provider.send_bulk(BLOQUE, guard=guard)
    assert server.received == b""


def drip_body(peer: Peer) -> None:
    peer.read_request()
    peer.send(http(length=1000))
    peer.drip(b" " * 1000, 0.05)


def never_read(peer: Peer) -> None:
    peer.hold()


@pytest.mark.parametrize(("script", "size"), [(drip_body, 20), (never_read, 30_000_000)])
def test_the_deadline_holds_over_tls(certificate: Certificate, script: object, size: int) -> None:
    with wire(script, certificate.context) as server:  # type: ignore[arg-type]
        provider = HttpProvider(server.url, KEY, timeout=0.8, ca_bundle=str(certificate.path))
        began = time.monotonic()
        with pytest.raises(InDoubt) as caught:
            provider.send_bulk(b"x" * size)
        assert time.monotonic() - began < 2.5
    assert caught.value.reason == "read_timeout"


def test_a_handshake_that_never_ends_meets_the_deadline() -> None:
    with wire(lambda peer: peer.hold()) as server:
        provider = HttpProvider(server.url.replace("http:", "https:"), KEY, timeout=0.6)
        began = time.monotonic()
        with pytest.raises(InDoubt):
            provider.send_bulk(BLOQUE)
        assert time.monotonic() - began < 2
    assert b"XXX" not in server.received


def test_a_ca_bundle_that_cannot_be_read_is_refused_at_once(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for path in (tmp_path / "missing.pem", junk):
        with pytest.raises(UsageError):
            HttpProvider("https://127.0.0.1", KEY, ca_bundle=str(path))


CALLS: dict[str, tuple[bytes, Callable[[str, str], object]]] = {
    "unit": (
        b"0;OK",
        lambda url, ca: UnitSender(url, KEY, timeout=5, ca_bundle=ca).send(Message("1144445555", "Hola")),
    ),
    "bulk by GET": (b"OK", lambda url, ca: provider_of(url, ca).send_bulk(BLOQUE, method="auto")),
    "status": (b"PENDIENTE", lambda url, ca: provider_of(url, ca).status_by_idinterno("XXX")),
    "status by fecha": (b"PENDIENTE", lambda url, ca: list(provider_of(url, ca).status_by_fecha("20101231175015"))),
    "replies": (b"", lambda url, ca: HttpInbox(url, KEY, timeout=5, ca_bundle=ca).pull()),
    "saldo": (b"5", lambda url, ca: provider_of(url, ca).saldo()),
    "vencimiento": (b"2026-12-31", lambda url, ca: provider_of(url, ca).vencimiento()),
    "envios": (b"5", lambda url, ca: provider_of(url, ca).envios()),
    "web service": (
        wsdl.document("https://elsewhere.example/ws/SMSMasivosAPI.asmx"),
        lambda url, ca: WebService(f"{url}/ws/X.asmx", "U", "C", timeout=5, ca_bundle=ca).ready(Deadline(5)),
    ),
    "date": (b"2013-12-09 18:35:58", lambda url, ca: provider_of(url, ca).server_date()),
}
"""What the guide has by HTTP: the answer, and our call. The post is above, mail has its own."""


def provider_of(url: str, ca: str) -> HttpProvider:
    return HttpProvider(url, KEY, timeout=5, ca_bundle=ca)


@pytest.mark.parametrize("call", CALLS)
def test_all_that_goes_by_http_goes_by_https_too(certificate: Certificate, call: str) -> None:
    answer, make = CALLS[call]
    with wire(answering(http(body=answer)), certificate.context) as server:
        assert server.url.startswith("https://")
        make(server.url, str(certificate.path))
    assert b".as" in server.received.partition(b" HTTP/1.1")[0]
