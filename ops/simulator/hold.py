"""Calls held in the middle until somebody releases them: what a kill -9 test aims at."""

from __future__ import annotations

import asyncio
from typing import Any

from ops.simulator.faults import matches


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

    def release(self, count: int | None = None, endpoint: str = "*") -> int:
        """Let the oldest `count` calls of an endpoint go on, or all; returns how many."""
        events = [event for event, call in self._held.items() if matches(endpoint, call["endpoint"])][:count]
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
