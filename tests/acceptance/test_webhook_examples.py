"""The receivers of examples/ take what is signed, and nothing else."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.webhooks import addresses, calls, signing
from tests.acceptance.test_replies import free_port
from tests.conftest import wait_until
from tests.processes import ROOT

EXAMPLES = ROOT / "examples"
SECRET = signing.new_secret()
LOOPBACK = addresses.ipaddress.ip_network("127.0.0.0/8")
BODY = '{"type":"ping","timestamp":"2026-12-01T09:00:00-03:00","data":{"webhook_id":"wh_ñ"}}'.encode()


def php(port: int) -> list[str]:
    binary = shutil.which("php")
    if binary is None:
        pytest.skip("php is not installed (Debian: php-cli)")
    return [binary, "-S", f"127.0.0.1:{port}", str(EXAMPLES / "webhook_receiver.php")]


def python(port: int) -> list[str]:
    return [sys.executable, str(EXAMPLES / "webhook_receiver.py"), str(port)]


def answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=[python, php], ids=["python", "php"])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    number = free_port()
    command = request.param(number)
    with (tmp_path / "out").open("wb") as out:
        running = subprocess.Popen(command, env={**os.environ, "WEBHOOK_SECRET": SECRET}, stdout=out, stderr=out)
        try:
            wait_until(lambda: answers(number), 10)
            yield number
        finally:
            running.kill()
            running.wait()


def sent(port: int, headers: dict[str, str], body: bytes = BODY) -> int:
    target = addresses.parse(f"http://127.0.0.1:{port}/")
    return calls.post(target, headers, body, context=ssl.create_default_context(), allowed=(LOOPBACK,)).status


def test_a_receiver_takes_what_is_signed_and_nothing_else(port: int, tmp_path: Path) -> None:
    now = int(time.time())
    former = signing.new_secret()
    good = signing.headers("evt_1", now, BODY, [SECRET])
    assert sent(port, good) == 204
    assert sent(port, signing.headers("evt_2", now, BODY, [former, SECRET])) == 204
    assert sent(port, signing.headers("evt_1", now, BODY, [former])) == 401
    assert sent(port, signing.headers("evt_1", now - 1000, BODY, [SECRET])) == 401
    assert sent(port, {**good, "webhook-timestamp": "soon"}) == 401
    assert sent(port, {**good, "webhook-id": "evt_3"}) == 401
    assert sent(port, good, BODY + b" ") == 401
    assert sent(port, {}) == 401
    out = (tmp_path / "out").read_text(encoding="utf-8")
    assert out.count('ping {"webhook_id":') == 2
    assert "wh_ñ" in out
