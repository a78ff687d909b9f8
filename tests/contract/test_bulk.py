"""What each end of a bulk post proves: nothing delivered, or nothing known."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs

import pytest
import requests

from dispatcher.errors import (
    AccountBlocked,
    CredentialsRefused,
    InDoubt,
    NotDelivered,
    ProviderError,
    SendRefusedByGuard,
)
from dispatcher.provider import form, sockets
from dispatcher.provider.http import LARGEST_QUERY, HttpProvider
from tests.contract.wire import (
    Peer,
    Script,
    Wire,
    answering,
    blackhole,
    chunked,
    http,
    refused_port,
    wire,
)

KEY = "S3CR3TKEY0001"
BLOQUE = b"XXX\t1161880001\tHola, saldo $ 10\r\nYYY\t1161880002\tTexto 2"
PAGE = b"<html><body>Microsoft VBScript runtime error</body></html>"


def post(url: str, bloque: bytes = BLOQUE, timeout: float = 5.0) -> None:
    HttpProvider(url, KEY, timeout=timeout).send_bulk(bloque)


@dataclass(frozen=True)
class Case:
    label: str
    script: Script
    error: type[ProviderError]
    reason: str
    delivered: str = "unknown"
    scope: str = "chunk"
    retryable: bool = False
    timeout: float = 5.0
    bloque: bytes = BLOQUE


def reset_unread(peer: Peer) -> None:
    peer.sock.recv(1)
    peer.reset()


def reset_after_reading(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


def close_silently(peer: Peer) -> None:
    peer.read_request()


def hold(peer: Peer) -> None:
    peer.read_request()
    peer.hold()


def drip_status(peer: Peer) -> None:
    peer.read_request()
    peer.drip(http(body=b"OK"), 0.1)


def drip_headers(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\n")
    peer.drip(b"X-Slow: 1\r\n" * 100, 0.1)


def drip_body(peer: Peer) -> None:
    peer.read_request()
    peer.send(http(length=1000))
    peer.drip(b" " * 1000, 0.1)


def endless_continues(peer: Peer) -> None:
    peer.read_request()
    peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.05)


def never_reads(peer: Peer) -> None:
    peer.hold()


def ok_before_the_body(peer: Peer) -> None:
    peer.sock.recv(10)
    peer.send(http(body=b"OK"))
    peer.reset()


def huge(peer: Peer) -> None:
    peer.read_request()
    peer.send(http(length=50_000_000))
    for _ in range(50):
        peer.send(b"OK" * 500_000)


def sentence(words: str) -> Script:
    return answering(http(body=words.encode("latin-1") + b"\r\n"))


def in_doubt(label: str, script: Script, reason: str, **more: object) -> Case:
    return Case(label, script, InDoubt, reason, **more)  # type: ignore[arg-type]


def refused(label: str, words: str, reason: str = "credentials") -> Case:
    return Case(label, sentence(words), CredentialsRefused, reason, delivered="no", scope="account")


def blocked(label: str, words: str, reason: str) -> Case:
    return Case(label, sentence(words), AccountBlocked, reason, scope="account")


CASES = [
    # Reset or closed, as the kernel tells it: both prove nothing.
    in_doubt("reset before reading it all", reset_unread, "*"),
    in_doubt("reset after reading", reset_after_reading, "reset"),
    in_doubt("closed without an answer", close_silently, "closed"),
    in_doubt("no answer in time", hold, "read_timeout", timeout=0.4),
    in_doubt("drips the status line", drip_status, "read_timeout", timeout=0.6),
    in_doubt("drips headers", drip_headers, "read_timeout", timeout=0.6),
    in_doubt("drips the body", drip_body, "read_timeout", timeout=0.6),
    in_doubt("drips 100 Continue", endless_continues, "read_timeout", timeout=0.6),
    in_doubt("never reads", never_reads, "read_timeout", timeout=0.6, bloque=b"x" * 30_000_000),
    in_doubt("301", answering(http("301 Moved", b"OK", b"Location: http://127.0.0.1:1/")), "redirect"),
    in_doubt("302", answering(http("302 Found", b"OK", b"Location: /x")), "redirect"),
    in_doubt("307", answering(http("307 Temporary", b"", b"Location: /x")), "redirect"),
    in_doubt("401", answering(http("401 Unauthorized", b"apikey incorrecta")), "http_401"),
    in_doubt("403", answering(http("403 Forbidden", b"IP no permitida")), "http_403"),
    in_doubt("404", answering(http("404 Not Found", b"OK")), "http_404"),
    in_doubt("500", answering(http("500 Internal Server Error", PAGE)), "http_500"),
    in_doubt("204", answering(b"HTTP/1.1 204 No Content\r\n\r\n"), "http_204"),
    in_doubt("HTML with 200", answering(http(body=PAGE)), "html"),
    in_doubt("HTML that says bad key", answering(http(body=b"<font>apikey incorrecta</font>")), "html"),
    in_doubt("OK inside HTML", answering(http(body=b"<html>OK</html>")), "html"),
    in_doubt("empty 200", answering(http()), "empty"),
    in_doubt("blank 200", answering(http(body=b" \r\n")), "empty"),
    in_doubt("another sentence", sentence("Error al procesar el bloque"), "sentence"),
    in_doubt("OK and more", sentence("OK\r\nOK"), "sentence"),
    in_doubt("a refusal after a number", sentence("1161880001: apikey incorrecta"), "sentence"),
    in_doubt("a refusal of one recipient", sentence("Usuario bloqueado por la telefónica"), "sentence"),
    in_doubt("a long text naming the key", sentence("apikey incorrecta " * 40), "sentence"),
    in_doubt("garbage for a status line", answering(b"\x00\xff\xfe\x01garbage\r\n\r\n"), "garbage"),
    in_doubt("garbage for a body", answering(http(body=b"\x00\x01\x02\x80")), "garbage"),
    in_doubt("endless header line", answering(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000), "garbage"),
    in_doubt("50 MB", huge, "too_large"),
    in_doubt("shorter than its length", answering(http(body=b"OK", length=100)), "cut"),
    in_doubt("chunks that break off", answering(chunked(b"OK", whole=False)), "cut"),
    in_doubt("chunks that are none", answering(chunked(whole=False) + b"zzz\r\nOK"), "cut"),
    in_doubt(
        "gzip nobody asked for",
        answering(http("200 OK", b"\x1f\x8b\x08", b"Content-Encoding: gzip")),
        "garbage",
    ),
    in_doubt("OK before it had the post", ok_before_the_body, "*", bloque=b"x" * 30_000_000),
    refused("wrong key", "apikey incorrecta"),
    refused("wrong key, accented", "La APIKEY no es válida."),
    refused("wrong user", "Usuario o clave incorrectos"),
    refused("no such user", "el usuario no existe"),
    refused("no key", "Falta el parámetro APIKEY"),
    refused("no access", "Acceso denegado."),
    refused("not authenticated", "Error de autenticación."),
    refused("error in the user", "Error en usuario o clave"),
    refused("wrong login data", "Datos de acceso incorrectos"),
    refused("wrong login", "Login incorrecto"),
    refused("could not authenticate", "No se pudo autenticar"),
    refused("not authorised", "No autorizado"),
    refused("user disabled", "Usuario deshabilitado"),
    refused("user blocked", "Usuario bloqueado"),
    refused("key expired", "Apikey vencida"),
    refused("IP without permission", "Su IP (1.2.3.4) no tiene permiso", "ip"),
    refused("IP not listed", "La dirección IP no está en la lista de IPs permitidas", "ip"),
    refused("IP not allowed", "La IP 200.1.2.3 no está habilitada", "ip"),
    refused("access from this IP", "Acceso no permitido desde la IP 200.1.2.3", "ip"),
    blocked("credit", "se han agotado los 5000 SMS contratados", "credit"),
    blocked("credit on a line", "1161880001: se han agotado los 5000 SMS contratados", "credit"),
    blocked("contract", "el contrato para enviar SMS ha expirado el 3 de marzo", "contract"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_what_is_not_ok_says_what_it_proves(case: Case) -> None:
    with wire(case.script) as server:
        began = time.monotonic()
        with pytest.raises(case.error) as caught:
            post(server.url, case.bloque, case.timeout)
        assert time.monotonic() - began < case.timeout + 1.5
        assert len(server.peers) == 1
    error = caught.value
    assert case.reason in ("*", error.reason)
    assert (error.delivered, error.scope, error.retryable) == (case.delivered, case.scope, case.retryable)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert KEY not in f"{error} {error!r} {error.__dict__}"


@pytest.mark.parametrize(
    "raw",
    [
        http(body=b"OK"),
        http(body=b" ok \r\n"),
        http(body=b"Ok\r\n"),
        chunked(b"O", b"K"),
        b"HTTP/1.0 200 OK\r\n\r\nOK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + http(body=b"OK"),
    ],
)
def test_an_ok_is_acceptance(raw: bytes) -> None:
    with wire(answering(raw)) as server:
        post(server.url)


@dataclass(frozen=True)
class Nowhere:
    reason: str
    url: str


@pytest.fixture(params=["refused", "unresolved", "connect_timeout", "not a name"])
def nowhere(request: pytest.FixtureRequest) -> Iterator[Nowhere]:
    if request.param == "refused":
        yield Nowhere("refused", f"http://127.0.0.1:{refused_port()}")
    elif request.param == "unresolved":
        yield Nowhere("unresolved", "http://no-such-host.invalid")
    elif request.param == "not a name":
        yield Nowhere("unresolved", f"http://{'a' * 64}.invalid")
    else:
        with blackhole() as port:
            yield Nowhere("connect_timeout", f"http://127.0.0.1:{port}")


def test_what_never_connected_was_not_delivered(nowhere: Nowhere) -> None:
    began = time.monotonic()
    with pytest.raises(NotDelivered) as caught:
        post(nowhere.url, timeout=2.0)
    assert time.monotonic() - began < 3.5
    error = caught.value
    assert (error.delivered, error.scope, error.retryable) == ("no", "account", True)
    assert error.reason == nowhere.reason


def test_a_resolver_that_hangs_is_given_up_and_nothing_was_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(host: str, port: int) -> list[sockets.AddressInfo]:
        released.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "gave up")

    monkeypatch.setattr(sockets, "_getaddrinfo", hang)
    began = time.monotonic()
    with pytest.raises(NotDelivered) as caught:
        post("http://slow-name.invalid", timeout=0.6)
    released.set()
    assert caught.value.reason == "connect_timeout"
    assert time.monotonic() - began < 1.5


class NotAProviderError(Exception):
    pass


@pytest.mark.parametrize(
    "raised",
    [SendRefusedByGuard(), NotAProviderError("x"), OSError(5, "x"), TimeoutError("x"), KeyboardInterrupt()],
    ids=lambda raised: type(raised).__name__,
)
def test_what_the_guard_raises_passes_untouched_and_no_byte_leaves(raised: BaseException) -> None:
    def guard() -> None:
        raise raised

    with wire(answering(http(body=b"OK"))) as server:
        provider = HttpProvider(server.url, KEY, timeout=5)
        with pytest.raises(type(raised)) as caught:
            provider.send_bulk(BLOQUE, guard=guard)
        assert caught.value is raised
        wait_for_peer(server)
    assert server.received == b""
    assert len(server.peers) == 1


def test_the_guard_runs_once_when_the_connection_stands_and_nothing_has_left() -> None:
    seen: list[tuple[int, bytes]] = []
    with wire(answering(http(body=b"OK"))) as server:

        def guard() -> None:
            wait_for_peer(server)
            seen.append((len(server.peers), server.received))

        HttpProvider(server.url, KEY, timeout=5).send_bulk(BLOQUE, guard=guard)
    assert seen == [(1, b"")]


def test_a_guard_that_uses_up_the_time_proves_that_nothing_left() -> None:
    with wire(answering(http(body=b"OK"))) as server:
        ends = time.monotonic() + 0.5

        def guard() -> None:
            while time.monotonic() < ends:
                pass

        with pytest.raises(NotDelivered) as caught:
            HttpProvider(server.url, KEY).send_bulk(BLOQUE, guard=guard, timeout=0.4)
    assert caught.value.reason == "deadline"
    assert server.received == b""


def test_every_post_has_a_connection_of_its_own() -> None:
    def twice(peer: Peer) -> None:
        peer.read_request()
        peer.send(http("200 OK", b"OK", b"Connection: keep-alive"))
        peer.read_request()
        peer.send(http("200 OK", b"OK", b"Connection: keep-alive"))

    with wire(twice) as server:
        provider = HttpProvider(server.url, KEY, timeout=5)
        provider.send_bulk(BLOQUE)
        provider.send_bulk(BLOQUE)
        assert len(server.peers) == 2


def test_a_key_that_the_provider_echoes_is_not_repeated() -> None:
    with wire(sentence(f"apikey {KEY} incorrecta")) as server, pytest.raises(CredentialsRefused) as caught:
        post(server.url)
    assert caught.value.words == "apikey *** incorrecta"


def test_an_unknown_failure_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("halfway")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "build_response", fail)
    with wire(answering(http(body=b"OK"))) as server, pytest.raises(InDoubt) as caught:
        post(server.url)
    assert caught.value.reason == "unknown"


def wait_for_peer(server: Wire) -> None:
    ends = time.monotonic() + 5
    while not server.peers:
        assert time.monotonic() < ends, "nobody connected"
        time.sleep(0.001)


@pytest.mark.parametrize("prefix", ["", "/", "/sms/v1", "/sms/v1/"])
def test_the_post_is_the_guide_s_form_below_the_configured_path(prefix: str) -> None:
    with wire(answering(http(body=b"OK"))) as server:
        HttpProvider(server.url + prefix, KEY, timeout=5).send_bulk(b"X,1161880001,a b", separator="coma", test=True)
    head, _, body = server.received.partition(b"\r\n\r\n")
    assert head.startswith(b"POST " + prefix.rstrip("/").encode() + b"/enviar_sms_bloque.asp HTTP/1.1\r\n")
    assert b"content-type: application/x-www-form-urlencoded" in head.lower().split(b"\r\n")
    assert body == b"apikey=" + KEY.encode() + b"&separadorcampos=coma&bloque=X%2C1161880001%2Ca+b&test=1"


def texts(count: int) -> bytes:
    return b"\r\n".join(b"ID%d\t11618800%02d\tHola, Ana: saldo, $ %d" % (n, n, n) for n in range(count))


@pytest.mark.parametrize(("lines", "by_get"), [(1, True), (20, True), (40, False), (1000, False)])
def test_what_fits_a_url_goes_as_the_guide_s_example_and_the_rest_by_post(lines: int, by_get: bool) -> None:
    with wire(answering(http(body=b"OK"))) as server:
        HttpProvider(server.url, KEY, timeout=5).send_bulk(texts(lines), method="auto", test=True)
    head, _, body = server.received.partition(b"\r\n\r\n")
    verb, target, _ = head.split(b"\r\n")[0].split(b" ")
    page, _, query = target.partition(b"?")
    assert page == b"/enviar_sms_bloque.asp"
    assert (verb == b"GET", body == b"", bool(query)) == (by_get, by_get, by_get)
    fields = parse_qs((query or body).decode("ascii"), strict_parsing=True)
    assert fields["apikey"] == [KEY]
    assert fields["test"] == ["1"]
    assert fields["separadorcampos"] == ["coma" if by_get else "tab"]
    separator = b"," if by_get else b"\t"
    sent = fields["bloque"][0].encode().split(b"\r\n")
    assert [line.split(separator, 2) for line in sent] == [line.split(b"\t") for line in texts(lines).split(b"\r\n")]
    assert len(query) <= LARGEST_QUERY


def test_a_query_of_just_the_limit_is_a_get_and_one_byte_more_a_post() -> None:
    frame = len(form.bulk_form(KEY, b"A,1161880001,", "coma", False))
    for length, verb in ((LARGEST_QUERY - frame, b"GET"), (LARGEST_QUERY - frame + 1, b"POST")):
        with wire(answering(http(body=b"OK"))) as server:
            HttpProvider(server.url, KEY, timeout=5).send_bulk(b"A\t1161880001\t" + b"x" * length, method="auto")
        assert server.received.startswith(verb)


@pytest.mark.parametrize("case", [c for c in CASES if c.bloque is BLOQUE], ids=lambda case: case.label)
def test_what_is_not_ok_proves_the_same_by_get(case: Case) -> None:
    with wire(case.script) as server, pytest.raises(ProviderError) as caught:
        HttpProvider(server.url, KEY, timeout=case.timeout).send_bulk(case.bloque, method="auto")
    error = caught.value
    assert type(error) is case.error
    assert (error.delivered, error.scope) == (case.delivered, case.scope)
    assert len(server.peers) == 1, "nothing is ever asked again"
    assert KEY not in f"{error!r} {error} {error.words}"
