"""One call to an endpoint, over real sockets: what is checked before a byte leaves, and how little is read."""

import ipaddress
import socket
import ssl
import time
from pathlib import Path

import pytest

from dispatcher.provider import sockets
from dispatcher.provider.transport import tls_context
from dispatcher.webhooks import addresses, calls
from dispatcher.webhooks.calls import Answer, CallFailed
from tests.contract.conftest import Certificate
from tests.contract.wire import Peer, Script, answering, blackhole, chunked, http, refused_port, wire

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
PLAIN = ssl.create_default_context()


def call(url: str, ca: Path | None = None, *, seconds: float = 5, allowed: object = LOOPBACK) -> Answer:
    context = tls_context(str(ca)) if ca else PLAIN
    target = addresses.parse(url)
    return calls.post(target, {"X-Ours": "1"}, b"{}", context=context, allowed=allowed, seconds=seconds)  # type: ignore[arg-type]


def refused(url: str, ca: Path | None = None, **more: object) -> str:
    with pytest.raises(CallFailed) as error:
        call(url, ca, **more)  # type: ignore[arg-type]
    return str(error.value)


def test_a_call_over_https(certificate: Certificate) -> None:
    with wire(answering(http("201 Created", b"gracias")), certificate.context) as server:
        assert call(f"{server.url}/a%20b?c=d", certificate.path) == Answer(201, "gracias", None)
        head = server.received.decode()
    assert head.startswith("POST /a%20b?c=d HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{server.port}\r\n" in head
    assert "\r\nX-Ours: 1\r\n" in head


def test_a_certificate_that_nobody_signed_lets_no_byte_leave(certificate: Certificate) -> None:
    with wire(answering(http()), certificate.context) as server:
        assert refused(server.url).startswith("its certificate is not valid")
        assert server.received == b""


def test_a_certificate_of_another_name_lets_no_byte_leave(certificate: Certificate) -> None:
    with wire(answering(http()), certificate.context) as server:
        url = f"https://localhost:{server.port}/"
        assert refused(url, certificate.path).startswith("its certificate is not valid")
        assert server.received == b""


def test_no_private_address_is_connected_to() -> None:
    with wire(answering(http())) as server:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
            assert "no address that may be called" in refused(f"https://{host}:{server.port}/", allowed=())
        assert server.peers == []


def test_plain_http_is_for_the_networks_of_the_settings_alone() -> None:
    with wire(answering(http())) as server:
        other = (ipaddress.ip_network("10.0.0.0/8"),)
        assert "no address that may be called" in refused(server.url, allowed=other)
        assert server.peers == []
        assert call(server.url).status == 200


def test_a_name_that_changes_after_the_check_reaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer of the name server is public, every later one is loopback."""
    asked: list[str] = []

    def rebinding(host: str, port: int, *_: object, **__: object) -> list[sockets.AddressInfo]:
        asked.append(host)
        address = "192.88.99.77" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    connected: list[object] = []

    def connect(self: socket.socket, address: object) -> None:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    with wire(answering(http())) as server:
        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        monkeypatch.setattr(sockets.DeadlineSocket, "connect", connect)
        assert "no connection" in refused(f"https://rebind.example:{server.port}/", allowed=())
        assert asked == ["rebind.example"]
        assert connected == [("192.88.99.77", server.port)]
        assert server.peers == []


def test_a_connection_that_leads_elsewhere_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A router or a rewritten table leads a public address to this machine: the peer itself is looked at."""
    real = socket.socket.connect
    with wire(answering(http())) as server:
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))],
        )
        monkeypatch.setattr(
            sockets.DeadlineSocket, "connect", lambda self, address: real(self, ("127.0.0.1", server.port))
        )
        words = refused(f"https://example.com:{server.port}/", allowed=())
        assert words == "the connection led to an address that may not be called"
        assert server.received == b""


def hold(peer: Peer) -> None:
    peer.read_request()
    peer.hold()


def drip_head(peer: Peer) -> None:
    peer.read_request()
    peer.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, 0.05)


def continue_for_ever(peer: Peer) -> None:
    peer.read_request()
    peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.001)


@pytest.mark.parametrize("script", [hold, drip_head, continue_for_ever])
def test_a_slow_answer_meets_the_deadline(script: Script) -> None:
    began = time.monotonic()
    with wire(script) as server:
        assert refused(server.url, seconds=0.5) == "no answer within 0 s"
    assert time.monotonic() - began < 4


def test_a_slow_answer_over_https_meets_the_deadline(certificate: Certificate) -> None:
    began = time.monotonic()
    with wire(drip_head, certificate.context) as server:
        assert refused(server.url, certificate.path, seconds=0.8) == "no answer within 1 s"
    assert time.monotonic() - began < 4


def test_a_handshake_that_never_ends_meets_the_deadline() -> None:
    with wire(lambda peer: peer.hold()) as server:
        assert refused(server.url.replace("http", "https", 1), seconds=0.5) == "no answer within 0 s"


def test_an_address_that_swallows_packets_meets_the_deadline() -> None:
    with blackhole() as port:
        assert "no connection" in refused(f"http://127.0.0.1:{port}/", seconds=0.5)


def test_who_is_not_there_is_said_so() -> None:
    assert refused(f"http://127.0.0.1:{refused_port()}/") == "no connection: Connection refused"
    assert refused("https://name.invalid/") in ("its name has no address", "its name was not looked up in time")


def test_a_status_counts_though_the_rest_never_comes() -> None:
    with wire(answering(http("200 OK", b"half", length=1000))) as server:
        assert call(server.url, seconds=1).status == 200
    with wire(answering(chunked(b"x" * 100, whole=False))) as server:
        assert call(server.url, seconds=1).status == 200


@pytest.mark.parametrize(
    "raw", [b"", b"hello\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200]
)
def test_what_is_no_http_is_a_failure(raw: bytes) -> None:
    with wire(answering(raw)) as server:
        assert refused(server.url, seconds=2).startswith("the connection failed")


def test_an_answer_is_kept_as_text_that_postgres_can_hold() -> None:
    with wire(answering(http("200 OK", b"\x00\xff\xed\xa0\x80" + b"\xc3\xb1" * 5000))) as server:
        text = call(server.url).text
    assert len(text) == 500
    assert "\x00" not in text
    text.encode()


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{refused_port()}")
    with wire(answering(http())) as server:
        assert call(server.url).status == 200
