"""What a stranger may try on the two listeners: slow, many, two-faced, deep and long requests."""

import errno
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest
import requests

from dispatcher.runtime import Runtime
from dispatcher.web import connections, incoming, json_body
from schemas.payload import CampaignPayload
from tests.conftest import SLOW_MACHINE, wait_until
from tests.integration.web.serving import Api, serving, serving_api
from tests.integration.web.test_push_app import GOOD


@pytest.fixture
def url(make_runtime: Callable[..., Runtime]) -> Iterator[str]:
    with serving(make_runtime()) as address:
        yield address


@pytest.fixture
def api(make_runtime: Callable[..., Runtime]) -> Iterator[Api]:
    with serving_api(make_runtime()) as api:
        yield api


def opened(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.port
    return socket.create_connection((parts.hostname or "", parts.port), timeout=20)


def is_closed(peer: socket.socket) -> bool:
    try:
        while peer.recv(4096):
            pass
        return True
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a header"])
def test_a_header_that_does_not_come_is_not_waited_for(url: str, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    with opened(url) as peer:
        peer.sendall(sent)
        assert is_closed(peer)


def test_a_second_request_on_a_connection_has_its_deadline_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    with opened(url) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in peer.recv(4096)
        peer.sendall(b"GET /hea")
        assert is_closed(peer)


def test_a_body_that_does_not_come_is_not_waited_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "BODY_SECONDS", 0.3)
    with opened(url) as peer:
        form = b"POST /push/smsmasivos HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        peer.sendall(form + b"Content-Length: 100\r\n\r\nORIGEN=1")
        assert peer.recv(4096).startswith(b"HTTP/1.1 408 ")


_HOLD = """
import resource, socket, sys
host, port, count, sent = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.argv[4])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * count), hard))
peers = []
for _ in range(count):
    peers.append(socket.create_connection((host, port), timeout=20))
    try:
        peers[-1].sendall(sent)
    except OSError:
        pass  # it may have made room for a newer one
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_open(url: str, count: int, sent: bytes = b"") -> Iterator[None]:
    """A process that holds so many connections, on each of which it has said this much."""
    parts = urlsplit(url)
    arguments = [str(parts.hostname), str(parts.port), str(count), sent.hex()]
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin
        assert holder.stdout
        try:
            assert holder.stdout.readline() == b"held\n"
            yield
        finally:
            holder.stdin.close()


HALF_A_BODY = (
    b"POST /push/smsmasivos HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 100\r\n\r\nORIGEN=1"
)


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\n", HALF_A_BODY], ids=["nothing", "header", "body"])
def test_push_answers_at_the_first_try_beside_1100_requests_that_do_not_go_on(url: str, sent: bytes) -> None:
    with held_open(url, 1_100, sent):
        began = time.monotonic()
        assert requests.post(f"{url}/push/smsmasivos", data=GOOD, timeout=10).status_code == 200
        assert time.monotonic() - began < 2 * SLOW_MACHINE


@pytest.mark.parametrize("path", ["/push/smsmasivos", "/api/v1/campaigns", "/api/v1/uploads"])
def test_a_body_that_breaks_off_is_no_error_of_ours(
    url: str, api: Api, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    base = api.base if path.startswith("/api") else url
    kind = "application/json" if path.endswith("campaigns") else "text/csv"
    kind = kind if path.startswith("/api") else "application/x-www-form-urlencoded"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 100\r\nIdempotency-Key: k\r\n"
    key = api.session.headers["Authorization"]
    with opened(base) as peer:
        peer.sendall(f"{head}Authorization: {key}\r\n\r\nORIGEN=1".encode())
        time.sleep(0.3)
    with requests.get(f"{base}/healthz", timeout=10) as answer:  # what was said before has been read by then
        assert answer.status_code == 200
    time.sleep(0.3)
    assert not caplog.records


def test_what_is_answered_before_its_body_came_holds_no_place(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REST_SECONDS", 0.5)
    with opened(url) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert b"200 OK" in peer.recv(4096)
        began = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - began < 10:  # a byte now and then must not buy more time
                peer.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - began < 5


def test_an_answer_that_nobody_reads_is_not_kept(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_SECONDS", 0.5)
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        parts = urlsplit(api.base)
        peer.connect((parts.hostname, parts.port))
        peer.sendall(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)  # more than the kernel buffers
        wait_until(lambda: was_reset(peer), 30)


def test_an_answer_that_is_read_slowly_arrives_whole(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_SECONDS", 2.0)
    whole = len(requests.get(f"{api.base}/api/v1/openapi.json", timeout=10).content)
    with opened(api.base) as peer:
        peer.sendall(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        read = b""
        while part := peer.recv(whole // 20):
            read += part
            time.sleep(0.1)
    assert len(read.partition(b"\r\n\r\n")[2]) == whole


def was_reset(peer: socket.socket) -> bool:
    """Whether the other side has given the connection up, rather than waiting for a reader."""
    return peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


def test_requests_that_are_none_are_said_once(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(5):
        with opened(url) as peer:
            peer.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
            assert peer.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert len([record for record in caplog.records if "Invalid HTTP" in record.getMessage()]) <= 1


def test_a_request_of_two_lengths_is_refused_and_closed(url: str) -> None:
    with opened(url) as peer:
        head = b"POST /push/smsmasivos HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        peer.sendall(head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert peer.recv(4096).startswith(b"HTTP/1.1 400 ")
        assert is_closed(peer)


@pytest.mark.parametrize("listener", ["push", "web"])
def test_chunks_in_a_version_that_has_none_are_refused_and_closed(url: str, api: Api, listener: str) -> None:
    with opened(url if listener == "push" else api.base) as peer:
        peer.sendall(b"POST /healthz HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert peer.recv(4096).startswith(b"HTTP/1.1 400 ")
        assert is_closed(peer)


@pytest.mark.parametrize("version", [b"9.9", b"0.9", b"2.0"])
def test_a_version_that_nobody_speaks_is_refused(url: str, version: bytes) -> None:
    with opened(url) as peer:
        peer.sendall(b"GET /healthz HTTP/%s\r\nHost: x\r\n\r\n" % version)
        assert peer.recv(4096).split()[1] in (b"400", b"505")
        assert is_closed(peer)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_push_that_announces_a_body_of_megabytes_is_refused_before_it_comes(url: str, method: str) -> None:
    kind = "Content-Type: application/x-www-form-urlencoded"
    with opened(url) as peer:
        head = f"{method} /push/smsmasivos?ORIGEN=1144445555&TEXTO=x HTTP/1.1\r\nHost: x\r\n{kind}\r\n"
        peer.settimeout(5)
        peer.sendall(f"{head}Content-Length: 100000000\r\n\r\n".encode())
        assert peer.recv(4096).startswith(b"HTTP/1.1 413 ")
        began = time.monotonic()
        assert is_closed(peer)
        assert time.monotonic() - began < 2 * SLOW_MACHINE


@pytest.mark.parametrize("path", ["/push/smsmasivos", "/healthz"])
def test_both_spellings_answer_and_none_redirects(url: str, path: str) -> None:
    answers = [requests.get(url + path + end, params=GOOD, timeout=10, allow_redirects=False) for end in ("", "/")]
    assert answers[0].status_code == answers[1].status_code in (200, 404)
    assert requests.get(f"{url}/nothing/", timeout=10, allow_redirects=False).status_code == 404


def test_a_campaign_s_number_of_five_thousand_digits_is_none(api: Api) -> None:
    assert api.get(f"/campaigns/{'9' * 5000}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b'"' + b'\\"' * 500_000, b"{" + b'"",' * 1_000_000, b"\x80", b'"' * 999_999],
    ids=["lists", "objects", "a string without an end", "items", "no UTF-8", "quotes"],
)
def test_hostile_json_is_refused_at_once(api: Api, body: bytes) -> None:
    began = time.thread_time()
    with pytest.raises(json_body.BadJson):
        json_body.parse(body)
    assert time.thread_time() - began < 2
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    assert api.call("POST", "/campaigns", data=body, headers=headers).status_code == 400


def test_the_largest_campaign_passes_the_limits() -> None:
    people = [{f"c{n}": "un texto" for n in range(20)} for _ in range(10_000)]
    assert json_body.parse(json.dumps({"recipients": people}).encode())["recipients"] == people


def test_every_text_of_a_payload_has_a_length(api: Api) -> None:
    answer = api.post("/campaigns", {"template": "Hola", "upload_id": "../" * 150_000}, once="k1")
    assert answer.status_code == 422
    assert len(answer.text) < 1_000
    for name, field in CampaignPayload.model_json_schema()["properties"].items():
        kinds = field.get("anyOf", [field])
        for kind in (each for each in kinds if each.get("type") == "string" and "enum" not in each):
            assert "maxLength" in kind, name
