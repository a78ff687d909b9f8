"""Calls held in the middle until somebody releases them: what a kill -9 test aims at."""

from __future__ import annotations

import asyncio
from typing import Any


class Holds:
    """The calls being held, and a way to wait for them."""

    def __init__(self) -> None:
        self._held: dict[asyncio.Event, dict[str, Any]] = {}
        self._changed = asyncio.Event()

    async def hold(self, endpoint: str, post: int | None, when: str) -> None:
        release = asyncio.Event()
        self._held[release] = {"endpoint": endpoint, "post": post, "when": when}
        self._changed.set()
        try:
            await release.wait()
        finally:
            self._held.pop(release, None)

    def release(self, count: int | None = None) -> int:
        """Let the oldest `count` calls go on, or all; returns how many."""
        events = list(self._held)[:count]
        for event in events:
            self._held.pop(event)
            event.set()
        return len(events)

    async def wait(self, count: int, timeout: float) -> list[dict[str, Any]]:
        """The held calls once there are `count` of them, or what there is after `timeout` real seconds."""
        try:
            async with asyncio.timeout(timeout):
                while len(self._held) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return list(self._held.values())
