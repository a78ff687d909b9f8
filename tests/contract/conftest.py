"""What several contract tests need: a simulator of the module's own, and a certificate."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.simulator.options import Options
from ops.simulator.process import SimulatorProcess

NOON = "2026-03-10 12:00:00"
USER = "USU500:CLAVE500"


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorProcess]:
    """One simulator for a module."""
    with SimulatorProcess() as process:
        yield process.start(clock_at=NOON, clock_speed=0)


@pytest.fixture
def provider(running: SimulatorProcess) -> SimulatorProcess:
    """The module's simulator as new: noon of a Tuesday, a clock that does not move, one key and one user."""
    running.reset()
    running.set_option(**Options(user=[USER]).model_dump(mode="json"))
    running.set_clock(at=NOON, speed=0)
    return running


@dataclass(frozen=True)
class Certificate:
    path: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    openssl = shutil.which("openssl")
    if openssl is None:
        if os.environ.get("CI"):
            pytest.fail("openssl is needed to make a certificate")
        pytest.skip("openssl is needed to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(pem)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return Certificate(pem, context)
