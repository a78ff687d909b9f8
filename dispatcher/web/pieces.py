"""Long bodies in pieces: those that come, where time that we take to store them does not count; those that we send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

GRACE_SECONDS = 30.0
SLOWEST = 8 << 10
"""Bytes a second that a body must come to after GRACE_SECONDS: a file of a gigabyte has no other deadline."""


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """A body, piece by piece.

    Raises:
        HTTPException: it does not come in time, or the caller goes away.
    """
    stream = request.stream()
    waited, size = 0.0, 0
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(GRACE_SECONDS + size / SLOWEST - waited):
                piece = await anext(stream, None)
        except TimeoutError:
            raise HTTPException(408, "The body did not come in time.", {"Connection": "close"}) from None
        except ClientDisconnect:
            raise HTTPException(400, "The body broke off.", {"Connection": "close"}) from None
        if piece is None:
            return
        waited += time.monotonic() - began
        size += len(piece)
        yield piece


def streamed(parts: Iterator[bytes], media_type: str) -> StreamingResponse:
    """An answer of parts that are made in threads; while one is sent, the next one is made."""
    return StreamingResponse(_ahead(parts), media_type=media_type)


async def _ahead(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    coming = asyncio.ensure_future(run_in_threadpool(next, parts, b""))
    try:
        while part := await coming:
            coming = asyncio.ensure_future(run_in_threadpool(next, parts, b""))
            yield part
    finally:
        coming.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody waits for it any more
