"""Questions to the provider: typed values, or an `AnswerError` that says why there are none."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime

import pytest

from dispatcher.errors import AnswerError
from dispatcher.provider import http as http_provider
from dispatcher.provider.deadline import now
from dispatcher.provider.http import HttpProvider
from tests.contract.wire import Peer, Script, Wire, answering, chunked, http, refused_port, wire

KEY = "S3CR3TKEY0001"
LINE = b"XXX\t20110927110505\tOK\r\n"
ERROR_LINE = (
    "XXX\t20110927110505\t1161880001: el número recibió un mensaje idéntico hace menos de 48 horas "
    "(no se hará el envío).\r\n"
).encode("latin-1")
PAGE = b"<font face=Arial size=2><p>Microsoft VBScript runtime error '800a0006'</font>\r\n"

Question = Callable[[HttpProvider], object]
QUESTIONS: dict[str, Question] = {
    "idinterno": lambda provider: provider.status_by_idinterno("XXX"),
    "fecha": lambda provider: list(provider.status_by_fecha("20110927110505")),
    "server_date": lambda provider: provider.server_date(),
    "saldo": lambda provider: provider.saldo(),
    "envios": lambda provider: provider.envios(),
    "vencimiento": lambda provider: provider.vencimiento(),
}


def provider_at(server: Wire, timeout: float = 5.0) -> HttpProvider:
    return HttpProvider(server.url, KEY, timeout=timeout)


def serving(raw: bytes) -> Script:
    """Answer every request on the connection, as keep-alive does."""

    def script(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(raw)

    return script


def drip(peer: Peer) -> None:
    peer.read_request()
    peer.send(http(length=5000))
    peer.drip(LINE * 200, 0.05)


def reset(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


FAILURES: dict[str, tuple[Script, str]] = {
    "html": (answering(http(body=b"<html>fallo</html>")), "html"),
    "empty": (answering(http()), "empty"),
    "500": (answering(http("500 Internal Server Error", PAGE)), "http_500"),
    "404": (answering(http("404 Not Found", LINE)), "http_404"),
    "redirect": (answering(http("302 Found", LINE, b"Location: /x")), "redirect"),
    "credentials": (answering(http(body="apikey inválida".encode("latin-1"))), "credentials"),
    "ip": (answering(http(body=b"La IP 1.2.3.4 no esta habilitada\r\n")), "ip"),
    "sentence": (answering(http(body=b"Error interno")), "sentence"),
    "reset": (reset, "reset"),
    "closed": (lambda peer: (peer.read_request(), None)[1], "closed"),
    "drip": (drip, "read_timeout"),
    "cut": (answering(http(body=LINE, length=5000)), "cut"),
    "chunks break off": (answering(chunked(LINE, whole=False)), "cut"),
    "garbage status line": (answering(b"\xff\xfe\x00\r\n\r\n"), "garbage"),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("failure", FAILURES)
def test_an_unusable_answer_is_an_error_and_never_a_value(question: str, failure: str) -> None:
    script, reason = FAILURES[failure]
    with wire(script) as server, pytest.raises(AnswerError) as caught:
        QUESTIONS[question](provider_at(server, timeout=0.5 if failure == "drip" else 5.0))
    error = caught.value
    assert error.reason == reason
    assert error.retryable is (reason not in ("credentials", "ip"))
    assert error.__context__ is None
    assert KEY not in f"{error} {error!r} {error.__dict__}"


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_provider_that_is_not_there_is_an_answer_error(question: str) -> None:
    with pytest.raises(AnswerError) as caught:
        QUESTIONS[question](HttpProvider(f"http://127.0.0.1:{refused_port()}", KEY, timeout=2))
    assert caught.value.reason == "refused"


@pytest.mark.parametrize("question", [name for name in QUESTIONS if name != "fecha"])
def test_an_answer_that_is_too_large_is_cut(question: str) -> None:
    with wire(answering(http(body=b"1" * 3_000_000))) as server, pytest.raises(AnswerError) as caught:
        QUESTIONS[question](provider_at(server))
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize(
    ("question", "body"),
    [
        ("saldo", b"12,5"), ("saldo", b"1 000"), ("saldo", "٣".encode()), ("saldo", b"OK"),
        ("vencimiento", b"2026-02-30"), ("vencimiento", b"30/01/2026"), ("vencimiento", b"20260130"),
        ("server_date", b"2026-01-30"), ("server_date", b"2026-01-30 25:00:00"), ("server_date", b"1"),
        ("idinterno", b"XXX OK"), ("idinterno", b"XXX\t2011\tOK"), ("fecha", b"no tab at all\r\n"),
    ],
)  # fmt: skip
def test_values_are_read_strictly(question: str, body: bytes) -> None:
    with wire(answering(http(body=body))) as server, pytest.raises(AnswerError):
        QUESTIONS[question](provider_at(server))


def test_figures_come_back_typed() -> None:
    with wire(serving(http(body=b" 4321\r\n"))) as server:
        assert provider_at(server).saldo() == 4321
        assert provider_at(server).envios() == 4321
    with wire(serving(http(body=b"2026-12-31"))) as server:
        assert provider_at(server).vencimiento() == date(2026, 12, 31)


def test_the_server_date_comes_with_the_moment_of_the_question() -> None:
    with wire(serving(http(body=b"2013-12-09 18:35:58"))) as server:
        before = now()
        answer = provider_at(server).server_date()
        after = now()
    assert answer.fecha == datetime(2013, 12, 9, 18, 35, 58)
    assert before <= answer.asked_at <= after
    assert server.received.startswith(b"GET /get_fecha.asp?iso=1 HTTP/1.1\r\n")
    assert KEY.encode() not in server.received


@pytest.mark.parametrize("body", [b"PENDIENTE", b"PENDIENTE\r\n", b" pendiente "])
def test_pendiente_is_no_result(body: bytes) -> None:
    with wire(serving(http(body=body))) as server:
        assert provider_at(server).status_by_idinterno("XXX") == []
        assert list(provider_at(server).status_by_fecha("20110927110505")) == []


def test_the_guide_s_example_is_read_to_the_letter() -> None:
    with wire(serving(http(body=ERROR_LINE + b"YYY\t20110927110505\tOK"))) as server:
        first, second = provider_at(server).status_by_idinterno("XXX")
    assert (first.idinterno, first.code) == ("XXX", -4)
    assert first.text.startswith("1161880001: el número recibió")
    assert (second.idinterno, second.fecha, second.text, second.code) == (
        "YYY", datetime(2011, 9, 27, 11, 5, 5), "OK", 0,
    )  # fmt: skip


def test_questions_are_asked_as_the_guide_writes_them_with_flags_only_when_set() -> None:
    with wire(serving(http(body=b"PENDIENTE"))) as server:
        provider = provider_at(server)
        provider.status_by_idinterno("A1")
        list(provider.status_by_fecha(datetime(2010, 12, 31, 17, 50, 15), only_unread=True, mark_read=True))
    first, second = [line for line in server.received.split(b"\r\n") if line.startswith(b"GET ")]
    page = b"GET /obtener_respuestaapi_bloque.asp?apikey=" + KEY.encode()
    assert first == page + b"&idinterno=A1 HTTP/1.1"
    assert second == page + b"&fecha=20101231175015&solonoleidos=1&marcarcomoleidos=1 HTTP/1.1"


def test_questions_of_one_thread_share_a_connection_and_threads_do_not() -> None:
    with wire(serving(http(body=b"7"))) as server:
        provider = provider_at(server)
        assert [provider.saldo() for _ in range(3)] == [7, 7, 7]
        assert len(server.peers) == 1
        thread = threading.Thread(target=provider.saldo)
        thread.start()
        thread.join()
        assert len(server.peers) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_fork_opens_a_connection_of_its_own() -> None:
    with wire(serving(http(body=b"7"))) as server:
        provider = provider_at(server)
        provider.saldo()
        child = os.fork()
        if child == 0:
            os._exit(0 if provider.saldo() == 7 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert provider.saldo() == 7
        assert len(server.peers) == 2


def test_a_kept_connection_that_the_provider_ended_is_replaced() -> None:
    ended = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(http(body=b"7"))
        peer.sock.shutdown(socket.SHUT_WR)
        ended.set()

    with wire(script) as server:
        provider = provider_at(server)
        assert provider.saldo() == 7
        assert ended.wait(5)
        assert provider.saldo() == 7
        assert len(server.peers) == 2


# --- status by fecha, as a stream -------------------------------------------------------------------------


def test_slices_end_at_line_ends_and_lose_nothing() -> None:
    body = b"".join(b"A%07d\t20110927110505\tOK\r\n" % n for n in range(150_000))
    for raw in (http(body=body), chunked(*(body[i : i + 77_777] for i in range(0, len(body), 77_777)))):
        with (
            wire(answering(raw)) as server,
            provider_at(server, 20).status_by_fecha("20110927110505") as slices,
        ):
            got = list(slices)
        assert b"".join(got) == body
        assert len(got) > 2
        assert all(slice_.endswith(b"\r\n") and len(slice_) < 1_200_000 for slice_ in got)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (http(body=LINE * 100_000, length=10_000_000), "cut"),
        (chunked(LINE * 100_000, whole=False), "cut"),
        (http(body=LINE * 100_000 + PAGE), "html"),
        (http(body=LINE * 100_000 + PAGE * 3 + LINE), "html"),
        (b"HTTP/1.0 200 OK\r\n\r\n" + LINE * 100_000 + b"YYY\t20110927110505\t116188", "cut"),
        (b"HTTP/1.0 200 OK\r\n\r\n" + LINE * 100_000 + b"YYY\t2011", "cut"),
        (http(body=LINE * 100_000 + b"A" * 200_000), "garbage"),
    ],
)
def test_an_answer_that_breaks_gives_its_good_slices_first(raw: bytes, reason: str) -> None:
    got: list[bytes] = []
    with wire(answering(raw)) as server, pytest.raises(AnswerError) as caught:
        got.extend(provider_at(server).status_by_fecha("20110927110505"))
    assert caught.value.reason == reason
    assert set(b"".join(got).splitlines(keepends=True)) <= {LINE}


def test_an_unframed_answer_may_lack_its_last_line_end() -> None:
    for last in (b"YYY\t20110927110505\tOK", ERROR_LINE.strip()):
        with wire(answering(b"HTTP/1.0 200 OK\r\n\r\n" + LINE + last)) as server:
            assert b"".join(provider_at(server).status_by_fecha("20110927110505")) == LINE + last + b"\r\n"
    with wire(answering(b"HTTP/1.0 200 OK\r\n\r\nPENDIENTE")) as server:
        assert list(provider_at(server).status_by_fecha("20110927110505")) == []


def test_a_drip_during_the_stream_ends_at_the_deadline() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(http(length=10_000_000) + LINE * 60_000)
        peer.drip(LINE * 1000, 0.02)

    with wire(script) as server:
        began = time.monotonic()
        with pytest.raises(AnswerError) as caught:
            list(provider_at(server, 0.8).status_by_fecha("20110927110505"))
        assert time.monotonic() - began < 2
    assert caught.value.reason == "read_timeout"


def test_an_answer_without_an_end_is_given_up_though_its_reader_s_time_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_provider, "STATUS_ANSWER", 8 << 20)

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(http(length=1_000_000_000))
        with suppress(OSError):
            for _ in range(1000):
                peer.sock.sendall(LINE * 20_000)

    with wire(script) as server, pytest.raises(AnswerError) as caught:
        assert sum(map(len, provider_at(server, 30).status_by_fecha("20110927110505"))) < 9 << 20
    assert caught.value.reason == "too_large"


def test_the_consumer_s_own_time_is_not_the_provider_s() -> None:
    body = LINE * 150_000
    with (
        wire(answering(http(body=body))) as server,
        provider_at(server, 1.0).status_by_fecha("20110927110505") as s,
    ):
        first = next(s)
        ends = time.monotonic() + 1.2
        while time.monotonic() < ends:
            pass
        assert first + b"".join(s) == body


def test_a_stream_that_is_left_early_closes_its_connection() -> None:
    left = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(http(length=1_000_000_000))
        while not peer.stop.is_set():
            try:
                peer.sock.sendall(LINE * 10_000)
            except OSError:
                left.set()
                return

    with wire(script) as server:
        with provider_at(server).status_by_fecha("20110927110505") as slices:
            next(slices)
        assert left.wait(5)


def test_a_probe_may_be_asked_while_a_stream_is_open() -> None:
    def script(peer: Peer) -> None:
        while True:
            request = peer.read_request()
            peer.send(http(body=LINE * 100_000 if b"fecha=" in request else LINE))

    with wire(script) as server:
        provider = provider_at(server)
        with provider.status_by_fecha("20110927110505") as slices:
            first = next(slices)
            assert len(provider.status_by_idinterno("XXX")) == 1
            assert first + b"".join(slices) == LINE * 100_000
