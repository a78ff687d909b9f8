"""Replies pushed to the customer's own service as they come (guide: "Recepción de mensajes vía HTTP (PUSH)")."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from ops.simulator.provider import Provider
from ops.simulator.replies import Reply

SECONDS = 10.0  # for one try
PAUSE = 0.2  # real seconds before the next try, times the tries so far
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Pusher:
    """Pushes in the background; `Provider.pushes` remembers every try."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._tasks: set[asyncio.Task[None]] = set()

    def push(self, reply: Reply) -> None:
        """Start pushing a reply, when an address is configured."""
        if self._provider.options.push_url is not None:
            task = asyncio.create_task(self._push(reply, self._provider.options.push_url))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _push(self, reply: Reply, url: str) -> None:
        options = self._provider.options
        fields = {"ORIGEN": reply.origen, "TEXTO": reply.texto, "IDINTERNO": reply.idinterno}
        encoded = urlencode(fields, encoding=options.push_encoding, errors="replace")
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            for attempt in range(options.push_tries):
                await asyncio.sleep(PAUSE * attempt)
                outcome = await _try(session, options.push_method, url, encoded)
                self._provider.pushes.append({"id": reply.number, "url": url, **outcome})
                if outcome["status"] is not None and 200 <= outcome["status"] < 300:
                    return


async def _try(session: aiohttp.ClientSession, method: str, url: str, encoded: str) -> dict[str, Any]:
    try:
        if method == "POST":
            call = session.post(url, data=encoded.encode("ascii"), headers=_FORM, allow_redirects=False)
        else:
            address = f"{url}{'&' if '?' in url else '?'}{encoded}"
            call = session.get(URL(address, encoded=True), allow_redirects=False)
        async with call as answer:
            return {"status": answer.status, "error": None}
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return {"status": None, "error": f"{type(error).__name__}: {error}"}
