"""A simulator that runs: its listeners (the provider's, its mail server's, one for control alone), a heartbeat."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from ops.simulator.control import PREFIX, Control
from ops.simulator.hold import Holds
from ops.simulator.listener import Listener
from ops.simulator.mail import Mailbox
from ops.simulator.provider import Provider
from ops.simulator.push import Pusher
from ops.simulator.server import Server

TICK_SECONDS = 0.02
BATCHES_PER_TICK = 8


class Application:
    """Start, `url`, `smtp_url`, `control_url`, stop."""

    def __init__(self, provider: Provider, *, host: str = "127.0.0.1", port: int = 0, smtp_port: int = 0) -> None:
        holds = Holds()
        self.provider = provider
        self._server = Server(provider, holds)
        self._listener = Listener(self._route, host, port)
        self._control_listener = Listener(self._route, host, 0)
        self._mailbox = Mailbox(provider, holds, host, smtp_port)
        self._pusher = Pusher(provider)
        self._control = Control(provider, holds, self._listener, self._pusher)
        self._beat: asyncio.Task[None] | None = None

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(PREFIX):
            return await self._control.handle(request)
        return await self._server.handle(request)

    @property
    def url(self) -> str:
        return f"http://{self._listener.host}:{self._listener.port}"

    @property
    def smtp_url(self) -> str:
        return f"smtp://{self._mailbox.host}:{self._mailbox.port}"

    @property
    def control_url(self) -> str:
        return f"http://{self._control_listener.host}:{self._control_listener.port}"

    async def start(self) -> None:
        await self._listener.open()
        await self._control_listener.open()
        await self._mailbox.open()
        self._beat = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beat
        await self._pusher.close()
        await self._mailbox.close()
        await self._listener.close()
        await self._control_listener.close()
        self.provider.ledger.close()

    async def _tick(self) -> None:
        """Results do not wait for a question, so that a question after a busy minute is answered at once."""
        while True:
            more = self.provider.process(batches=BATCHES_PER_TICK)
            await asyncio.sleep(0 if more else TICK_SECONDS)
