"""A POST by hand, to see every byte that comes back."""

from __future__ import annotations

import socket
from urllib.parse import urlencode, urlsplit

from ops.simulator.process import SimulatorProcess

BLOCK = "\r\n".join(f"A{n},116188000{n},Hola" for n in range(4))


def taken(simulator: SimulatorProcess) -> list[str]:
    return [line["idinterno"] for line in simulator.ledger() if not line["ignored"]]


def raw_answer(simulator: SimulatorProcess, timeout: float = 10.0) -> bytes:
    """All bytes that come back for one bulk POST until the connection ends."""
    body = urlencode({"apikey": "SIMULADOR", "bloque": BLOCK})
    head = (
        "POST /enviar_sms_bloque.asp HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    address = urlsplit(simulator.url)
    pieces = b""
    with socket.create_connection((address.hostname, address.port), timeout=timeout) as peer:
        peer.sendall((head + body).encode())
        while piece := peer.recv(65536):
            pieces += piece
    return pieces
