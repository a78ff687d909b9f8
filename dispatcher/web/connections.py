"""What uvicorn leaves open: how long a header may take, how many connections there are, requests of two lengths."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)

HEADER_SECONDS = 10.0
BODY_SECONDS = 60.0
CONNECTIONS = 500
HEADER_BYTES = 32 * 1024
_SAID_EVERY = 60.0  # seconds


class BoundedProtocol(H11Protocol):
    """A connection that is closed when its header does not come in time, or when there are too many."""

    _said = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take uvicorn's own arguments."""
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse it when there are too many; begin to wait for its header."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            self._say("too_many_connections")
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait for a header's end from its first byte on."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._deadline is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        self._say("header_too_slow")
        self.transport.abort()

    @classmethod
    def _say(cls, what: str) -> None:
        """Once a minute: whoever opens a thousand connections must not fill the log too."""
        if time.monotonic() - BoundedProtocol._said > _SAID_EVERY:
            BoundedProtocol._said = time.monotonic()
            log.warning("connections_closed why=%s", what)


class OneLength:
    """Refuses a request that states its length twice: a proxy in front may read it as two (request smuggling)."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400 and close, or go on."""
        names = [name for name, _ in scope.get("headers", ())]
        if scope["type"] == "http" and b"transfer-encoding" in names and b"content-length" in names:
            words = b'{"error":"Send Content-Length or Transfer-Encoding, not both."}'
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(words)).encode())]
            start = {"type": "http.response.start", "status": 400, "headers": [*headers, (b"connection", b"close")]}
            await send(start)
            await send({"type": "http.response.body", "body": words})
            return
        await self._app(scope, receive, send)
