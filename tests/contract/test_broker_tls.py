"""A broker over TLS: Celery's client and that of the marks accept a certificate that is trusted, for its own name."""

from __future__ import annotations

import os
import select
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from dispatcher import config
from dispatcher.config import Settings
from dispatcher.maintenance import doctor
from dispatcher.posted_marks import PostedMarks
from tests.contract.conftest import Certificate
from tests.contract.wire import Peer, Wire, wire
from tests.processes import ROOT


@pytest.fixture
def broker(broker_url: str, certificate: Certificate) -> Iterator[Wire]:
    """The embedded Valkey behind TLS, which it cannot speak itself."""

    def forward(peer: Peer) -> None:
        sock = peer.sock
        assert isinstance(sock, ssl.SSLSocket)
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(broker_url.removeprefix("redis+socket://"))
            while not peer.stop.is_set():
                ready, _, _ = select.select([sock, server], [], [], 0.2)
                if sock in ready:
                    data = sock.recv(65536)
                    while pending := sock.pending():
                        data += sock.recv(pending)
                    if not data:
                        return
                    peer.received += data
                    server.sendall(data)
                if server in ready:
                    sock.sendall(server.recv(65536))

    with wire(forward, certificate.context) as running:
        yield running


def settings_for(url: str, tmp_path: Path, bundle: Path | None = None) -> Settings:
    return config.load(broker_url=url, home=tmp_path, ca_bundle=bundle)


@pytest.fixture(params=["file", "folder"])
def bundle(certificate: Certificate, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The certificate as a bundle, in both forms that DISPATCHER_CA_BUNDLE may have."""
    if request.param == "file":
        return certificate.path
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(certificate.path.read_bytes())
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
    return folder


def test_the_doctor_accepts_a_trusted_broker(broker: Wire, bundle: Path, tmp_path: Path) -> None:
    settings = settings_for(f"rediss://127.0.0.1:{broker.port}/0", tmp_path, bundle)
    with doctor._celery(settings) as client:
        assert doctor._broker(settings, client) == "redis (configured)"
    assert b"PING" in broker.received or b"INFO" in broker.received or b"CLIENT" in broker.received


@pytest.mark.parametrize(("host", "trusted"), [("127.0.0.1", False), ("localhost", True)])
def test_the_doctor_refuses_a_stranger_and_another_name(
    host: str, trusted: bool, broker: Wire, certificate: Certificate, tmp_path: Path
) -> None:
    settings = settings_for(f"rediss://{host}:{broker.port}/0", tmp_path, certificate.path if trusted else None)
    with doctor._celery(settings) as client, pytest.raises(OperationalError, match=r"(?i)certificate"):
        doctor._broker(settings, client)
    assert broker.received == b""


def test_marks_go_to_a_trusted_broker(broker: Wire, bundle: Path, tmp_path: Path) -> None:
    marks = PostedMarks(settings_for(f"rediss://127.0.0.1:{broker.port}/0", tmp_path, bundle))
    assert marks._broker.write("prefix:1", 7)
    assert marks._broker.read("prefix:1") == 7
    marks.close()


@pytest.mark.parametrize(("host", "trusted"), [("127.0.0.1", False), ("localhost", True)])
def test_marks_do_not_go_to_a_stranger_or_another_name(
    host: str, trusted: bool, broker: Wire, certificate: Certificate, tmp_path: Path
) -> None:
    settings = settings_for(f"rediss://{host}:{broker.port}/0", tmp_path, certificate.path if trusted else None)
    marks = PostedMarks(settings)
    assert not marks._broker.write("prefix:1", 7)
    assert broker.received == b""
    marks.close()


CONNECT = """
from workers.app import app
with app.connection_for_write() as connection:
    connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
    connection.default_channel.client.ping()
"""


@pytest.mark.parametrize("trusted", [True, False])
def test_the_workers_app_connects_to_a_trusted_broker_alone(
    trusted: bool, broker: Wire, certificate: Certificate, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DISPATCHER_HOME": str(tmp_path),
        "DISPATCHER_BROKER_URL": f"rediss://127.0.0.1:{broker.port}/0",
        **({"DISPATCHER_CA_BUNDLE": str(certificate.path)} if trusted else {}),
    }
    done = subprocess.run([sys.executable, "-c", CONNECT], env=environment, capture_output=True, text=True)
    assert (done.returncode == 0) is trusted, done.stderr
    assert trusted or "certificate verify failed" in done.stderr.lower()
    assert bool(broker.received) is trusted


@pytest.mark.parametrize(("host", "trusted"), [("127.0.0.1", True), ("127.0.0.1", False), ("127.1", True)])
def test_rabbitmq_is_verified_alike(host: str, trusted: bool, certificate: Certificate, tmp_path: Path) -> None:
    # Another name of the same address: kombu itself takes localhost for 127.0.0.1.
    def read_head(peer: Peer) -> None:
        peer.received += peer.sock.recv(8)

    with wire(read_head, certificate.context) as server:
        settings = settings_for(f"amqps://{host}:{server.port}//", tmp_path, certificate.path if trusted else None)
        client: Celery = doctor._celery(settings)
        with client, client.connection_for_write() as connection, suppress(OSError):  # nobody answers the head
            connection.connect()
        accepted = trusted and host == "127.0.0.1"
        assert server.received[:4] == (b"AMQP" if accepted else b"")
