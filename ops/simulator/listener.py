"""The provider's port: open, refusing, or swallowing connections without an answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

REQUEST_LINE = 16 * 1024  # bytes, as on IIS
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Listener:
    """One listening address that can go away and come back on the same port."""

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._handler = handler
        self._server = web.Server(self._handle, access_log=None, max_line_size=REQUEST_LINE)
        self._busy: set[object] = set()  # connections with a call in flight
        self._listening: asyncio.Server | None = None
        self._swallowing: list[socket.socket] = []
        self._return: asyncio.Task[None] | None = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._busy.add(connection)
        try:
            return await self._handler(request)
        finally:
            self._busy.discard(connection)

    async def open(self) -> None:
        if self._listening is not None:
            return
        for filler in self._swallowing:
            filler.close()
        self._swallowing.clear()
        self._listening = await asyncio.get_running_loop().create_server(self._server, sock=self._socket(), backlog=512)
        self.port = self._listening.sockets[0].getsockname()[1]

    def _socket(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        return listener

    async def close(self) -> None:
        """Stop listening; calls in flight are answered, idle connections end."""
        await self._stay()
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        for connection in self._server.connections:
            if connection in self._busy:
                connection.close()  # after its answer
            else:
                connection.force_close()  # close() would leave an idle one open

    async def refuse(self, seconds: float | None) -> None:
        """Nobody listens: a connection is refused at once."""
        await self.close()
        self._come_back(seconds)

    async def swallow(self, seconds: float | None) -> None:
        """Connections are neither taken nor refused: a listener whose queue is full, as a dead host looks."""
        await self.close()
        full = self._socket()
        full.listen(0)
        self._swallowing = [full]
        for _ in range(4):
            filler = socket.socket(full.family, socket.SOCK_STREAM)
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect((self.host, self.port))
            self._swallowing.append(filler)
        self._come_back(seconds)

    async def restore(self) -> None:
        """Listen again now, whatever was planned."""
        await self._stay()
        await self.open()

    async def _stay(self) -> None:
        task, self._return = self._return, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _come_back(self, seconds: float | None) -> None:
        if seconds is not None:
            self._return = asyncio.create_task(self._open_after(seconds))

    async def _open_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.open()
