"""The pieces of a long body as they come; time that we take ourselves to store them does not count."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi import Request
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
