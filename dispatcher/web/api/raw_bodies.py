"""Bodies that are files: spooled as they come, in constant memory, and gone when the call ends or breaks off."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, cast

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dispatcher.web.api.problems import Problem

GRACE_SECONDS = 30.0
SLOWEST = 8 << 10
"""Bytes a second that a body must come to after GRACE_SECONDS: a file of a gigabyte has no other deadline."""
_BUFFER = 1 << 20


@asynccontextmanager
async def spooled(request: Request, folder: Path, limit: int, kinds: dict[str, str]) -> AsyncIterator[BinaryIO]:
    """The body as an unnamed file in `folder`.

    Raises:
        Problem: its Content-Type is none of `kinds` (where one is "", none at all will do), or it has more than `limit`
            bytes.
        HTTPException: it does not come in time.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        taken = ", ".join(filter(None, kinds))
        raise Problem("unsupported_media_type", kinds=taken, headers={"Accept": taken})
    too_large = Problem("body_too_large", limit=limit, instead="DISPATCHER_UPLOAD_MAX is the limit.")
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and (len(stated) > 18 or int(stated) > limit):
        raise too_large
    file = await run_in_threadpool(_open, folder)
    try:
        held, size = bytearray(), 0
        async for piece in _pieces(request):
            size += len(piece)
            if size > limit:
                raise too_large
            held += piece
            if len(held) >= _BUFFER:
                await run_in_threadpool(file.write, bytes(held))
                held.clear()
        await run_in_threadpool(file.write, bytes(held))
        await run_in_threadpool(file.flush)
        yield file
    finally:
        await run_in_threadpool(file.close)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """Time that we take ourselves does not count."""
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


def _open(folder: Path) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    return cast(BinaryIO, tempfile.TemporaryFile(dir=folder))
