"""One simulator process per module, as new before every test: noon of a Tuesday, the clock stands still."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from ops.simulator.options import Options
from ops.simulator.process import SimulatorProcess

NOON = "2026-03-10 12:00:00"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Client:
    """A plain HTTP client of the simulator: bytes in, status and bytes out."""

    simulator: SimulatorProcess
    timeout: float = 10.0

    def call(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.simulator.url).netloc, timeout=self.timeout)
        try:
            connection.request(method, path, body, headers or (FORM if body is not None else {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def bulk(self, block: str | bytes, **more: Any) -> tuple[int, bytes]:
        fields = {"apikey": "SIMULADOR", "bloque": block, **more}
        return self.call("/enviar_sms_bloque.asp", method="POST", body=urlencode(fields).encode())

    def status(self, **question: Any) -> bytes:
        fields = {"apikey": "SIMULADOR", **question}
        status, body = self.call(f"/obtener_respuestaapi_bloque.asp?{urlencode(fields)}")
        assert status == 200
        return body

    def result(self, idinterno: str) -> str:
        """The answer's third column for one idinterno."""
        return self.status(idinterno=idinterno).decode("latin-1").split("\t")[2]

    def rows(self, fecha: str = "20200101000000", **more: Any) -> list[str]:
        body = self.status(fecha=fecha, **more).decode("latin-1")
        return [] if body == "PENDIENTE" else body.split("\r\n")


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as simulator:
        yield simulator.start(clock_at=NOON, clock_speed=0)


@pytest.fixture
def simulator(running: SimulatorProcess) -> SimulatorProcess:
    running.reset()
    running.set_option(**Options().model_dump(mode="json"))
    running.set_clock(at=NOON, speed=0)
    return running


@pytest.fixture
def client(simulator: SimulatorProcess) -> Client:
    return Client(simulator)


def wait_until(predicate: Callable[[], bool], deadline: float = 10.0) -> None:
    end = time.monotonic() + deadline
    while not predicate():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., None]:
    return wait_until
