"""What uvicorn leaves open: how long a peer may take, how many connections there are, requests of two lengths."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from typing import Any

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)

HEADER_SECONDS = 10.0
BODY_SECONDS = 60.0
REST_SECONDS = 5.0
"""For the rest of a body whose request was answered already."""
READ_SECONDS = 60.0
"""For reading the next part of an answer."""
CONNECTIONS = 500
HEADER_BYTES = 32 * 1024
_SAID_EVERY = 60.0  # seconds
_NO_LINGER = struct.pack("ii", 1, 0)
_SERVED = 2


class _OnceAMinute(logging.Filter):
    """Lets uvicorn's warning of a request that is none through once a minute: a stranger must not fill the log."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        super().__init__()
        self._said = -_SAID_EVERY

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record goes on."""
        if record.msg != "Invalid HTTP request received.":
            return True
        if time.monotonic() - self._said < _SAID_EVERY:
            return False
        self._said = time.monotonic()
        return True


logging.getLogger("uvicorn.error").addFilter(_OnceAMinute())


class BoundedProtocol(H11Protocol):
    """A connection that waits for its peer only so long, and that makes room for a newer one while it waits.

    The routes bound the bodies that they read; what is bounded here is the header, the rest of a body that no route
    reads any more, and an answer that the peer does not read. No byte that comes in the meantime extends a deadline.
    """

    _said = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take uvicorn's own arguments."""
        super().__init__(*arguments, **options)
        self._awaited: str | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room when there are too many; begin to wait for its header."""
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > CONNECTIONS:
            self._make_room()
        self._await("header")

    def data_received(self, data: bytes) -> None:
        """Wait for what comes next, from its first byte on."""
        super().data_received(data)
        self._await_next()

    def on_response_complete(self) -> None:
        """Wait for the rest of the body, and for the answer to be read."""
        super().on_response_complete()
        self._await_next()
        self._await_reader()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more came: close, once what was answered has been read."""
        super().timeout_keep_alive_handler()
        self._await_reader()

    def pause_writing(self) -> None:
        """The peer does not read as fast as we write."""
        super().pause_writing()
        self._begin_reading()

    def resume_writing(self) -> None:
        """The peer has read most of it."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._await(None)
        super().connection_lost(exc)  # resumes writing, which ends the wait for the reader

    def _is_served(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_next(self) -> None:
        """Wait for what the peer has to send next, if it has."""
        if self._is_served() or self.transport.is_closing():
            self._await(None)
        elif self.conn.their_state is h11.SEND_BODY:
            self._await("rest")
        elif self.conn.their_state is h11.IDLE and self._awaited != "header" and self.conn.trailing_data[0]:
            self._await("header")  # between two requests uvicorn waits by itself

    def _await(self, what: str | None) -> None:
        if what is not None and what == self._awaited:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._awaited = what
        if what is not None:
            seconds = HEADER_SECONDS if what == "header" else REST_SECONDS
            self._deadline = self.loop.call_later(seconds, self._give_up, f"{what}_too_slow")

    def _await_reader(self) -> None:
        """A transport that closes waits for its buffer to be read, without end."""
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._begin_reading()

    def _begin_reading(self) -> None:
        if self._reading is None:
            self._reading = self.loop.call_later(READ_SECONDS, self._give_up, "answer_not_read")

    def _make_room(self) -> None:
        """Close the connection that has waited longest for its peer; this one when all are being served."""
        others = [each for each in self.connections if isinstance(each, BoundedProtocol) and each is not self]
        others = [each for each in others if not each.transport.is_closing()]
        if len(others) < CONNECTIONS:
            return
        oldest = min(others, key=BoundedProtocol._patience)
        (self if oldest._patience()[0] == _SERVED else oldest)._give_up("too_many_connections")

    def _patience(self) -> tuple[int, float]:
        """What it waits for, the most idle first, and since when."""
        if not self._is_served():
            return 0, self._since
        return (1 if self.cycle.more_body else _SERVED), self._since

    def _give_up(self, why: str) -> None:
        self._say(why)
        # Without lingering: or the kernel goes on offering megabytes to a peer that does not read.
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    @classmethod
    def _say(cls, what: str) -> None:
        """Once a minute: whoever opens a thousand connections must not fill the log too."""
        if time.monotonic() - BoundedProtocol._said > _SAID_EVERY:
            BoundedProtocol._said = time.monotonic()
            log.warning("connections_closed why=%s", what)


class OneReading:
    """Refuses a request that a proxy in front may read as two (request smuggling), and versions that nobody speaks.

    These are two lengths at once, and chunks in HTTP/1.0, which has none.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer and close, or go on."""
        refusal = _ambiguous(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, words = refusal[0], b'{"error":"%s"}' % refusal[1].encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(words)).encode())]
        start = {"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]}
        await send(start)
        await send({"type": "http.response.body", "body": words})


def _ambiguous(scope: Scope) -> tuple[int, str] | None:
    version = scope.get("http_version", "1.1")
    if version not in ("1.0", "1.1"):
        return 505, "Send HTTP/1.1."
    names = {name for name, _ in scope.get("headers", ())}
    if b"transfer-encoding" not in names:
        return None
    if b"content-length" in names:
        return 400, "Send Content-Length or Transfer-Encoding, not both."
    return (400, "HTTP/1.0 has no Transfer-Encoding: send HTTP/1.1.") if version == "1.0" else None
