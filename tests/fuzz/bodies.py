"""Bodies of requests as they come over a network: in pieces, of any size. The targets of the form and of the uploads."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from dispatcher.errors import ListRefused, UsageError
from dispatcher.replies import push
from dispatcher.uploads import inspection
from dispatcher.web.api.problems import Problem
from dispatcher.web.api.raw_bodies import spooled
from dispatcher.web.incoming import read_body

_LIMIT = 100_000


def told(error: Exception) -> None:
    """A refusal has words."""
    assert str(error)


def form(data: bytes) -> None:
    """A PUSH whose values are in the body: a reply, or a refusal with a sentence."""
    sent, request = _sent(data, "application/x-www-form-urlencoded")
    try:
        read = asyncio.run(read_body(request, push.MAX_BYTES))
        assert read == sent
        found = push.read(b"", read)
    except (push.BadPush, HTTPException) as error:
        told(error)
    else:
        assert found.origen


def upload(data: bytes) -> None:
    """A list: the file holds what was sent, and is described or refused; nothing of it stays."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(_uploaded(data, Path(folder)))
        except (Problem, HTTPException, UsageError, ListRefused) as error:
            told(error)
        assert list(Path(folder).iterdir()) == []


async def _uploaded(data: bytes, folder: Path) -> None:
    sent, request = _sent(data, "text/csv")
    async with spooled(request, folder, _LIMIT, {"text/csv": "csv"}) as body:
        body.seek(0)
        assert body.read() == sent
        assert len(sent) <= _LIMIT
        body.seek(0)
        found = inspection.inspect(body, "lista", folder, 1 << 20)
        assert found.format
        assert len(found.sample) <= 5


def _sent(data: bytes, kind: str) -> tuple[bytes, Request]:
    """What follows the first byte, in as many pieces as that says; sometimes the caller goes away before the end."""
    size, sent = 1 + (data[0] * 40 if data else 0), data[1:]
    pieces = _pieces(sent, size)

    async def receive() -> Message:
        return next(pieces, {"type": "http.disconnect"})

    headers = [(b"content-type", kind.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    return sent, Request(scope, receive)


def _pieces(sent: bytes, size: int) -> Iterator[Message]:
    goes_away = sent.endswith(b"\xff\xff")
    for at in range(0, max(len(sent), 1), size):
        more = goes_away or at + size < len(sent)
        yield {"type": "http.request", "body": sent[at : at + size], "more_body": more}
