"""How an answer leaves: as it should, or broken on its way."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time

from aiohttp import web

from ops.simulator.answers import Answer
from ops.simulator.faults import Fault

REASONS = {200: "OK", 301: "Moved Permanently", 302: "Object moved", 500: "Internal Server Error"}
HANG_SECONDS = 3600.0
SERVER = "Microsoft-IIS/8.5"


def whole(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers={"Server": SERVER, **answer.headers})


async def send(request: web.BaseRequest, answer: Answer, fault: Fault | None) -> web.StreamResponse:
    """Send the answer, or what the fault leaves of it. The connection does not outlive a fault."""
    if fault is None:
        return whole(answer)
    transport = request.transport
    if isinstance(transport, asyncio.Transport) and not transport.is_closing():
        await _break(transport, answer, fault)
    # The transport is closed by now: aiohttp notices and writes nothing of this.
    return web.Response(status=500)


async def _break(transport: asyncio.Transport, answer: Answer, fault: Fault) -> None:
    raw = http_bytes(answer)
    if fault.kind == "reset":
        return reset(transport)
    if fault.kind == "hang":
        await closed(transport, fault.seconds if fault.seconds is not None else HANG_SECONDS)
    elif fault.kind == "drip":
        for at in range(len(raw)):
            if transport.is_closing():
                return
            transport.write(raw[at : at + 1])
            await asyncio.sleep(fault.interval)
    elif fault.kind == "truncate":
        transport.write(raw[: len(raw) - max(len(answer.body) // 2, 1)])
    elif fault.kind == "noise":
        transport.write(random.Random(fault.seed).randbytes(512))
    transport.close()


def http_bytes(answer: Answer) -> bytes:
    """The answer as HTTP/1.1, for writing by hand."""
    head = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}"]
    head += [f"{name}: {value}" for name, value in answer.headers.items()]
    head += [f"Content-Length: {len(answer.body)}", "Connection: close", "", ""]
    return "\r\n".join(head).encode("latin-1") + answer.body


def reset(transport: asyncio.Transport) -> None:
    """Close with a TCP RST: what was sent or not, the client cannot tell."""
    peer = transport.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def closed(transport: asyncio.Transport, seconds: float) -> None:
    """Wait until the other side gives up, at most so many real seconds."""
    deadline = time.monotonic() + seconds
    while not transport.is_closing() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
