"""Bodies that are files: spooled as they come, in constant memory, and gone when the call ends or breaks off."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, cast

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from dispatcher.web.api.problems import Problem
from dispatcher.web.pieces import pieces

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
        async for piece in pieces(request):
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


def _open(folder: Path) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    return cast(BinaryIO, tempfile.TemporaryFile(dir=folder))
