"""What every route asks of a request: does it know the secret, is it of the right kind, is its body short enough?"""

from __future__ import annotations

import asyncio
import hmac

from fastapi import Request
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from dispatcher.web.connections import BODY_SECONDS


def knows(given: str, secret: SecretStr | None) -> bool:
    """Whether a caller's word is the secret, compared in constant time; an unset secret is the empty word."""
    wanted = secret.get_secret_value() if secret else ""
    return hmac.compare_digest(given.encode(), wanted.encode())


def carries(request: Request, kind: str, *, unsaid: bool) -> bool:
    """Whether a POST says that its body is of this kind; `unsaid` is what it means to say nothing.

    Other methods carry no body.
    """
    if request.method != "POST":
        return True
    said = request.headers.get("content-type")
    return unsaid if said is None else said.partition(";")[0].strip().lower() == kind


def announced(request: Request) -> int:
    """The bytes that a request says its body has; 0 when it does not say."""
    said = request.headers.get("content-length", "")
    return int(said) if said.isdecimal() and len(said) < 20 else 0


async def read_body(request: Request, limit: int) -> bytes:
    """The body; of one that is longer than `limit`, a little more than that many bytes.

    Raises:
        HTTPException: it did not come in time, or the caller went away.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    break
    except TimeoutError:
        raise HTTPException(408, "The body did not come in time.", {"Connection": "close"}) from None
    except ClientDisconnect:  # nobody reads this answer, and the log would have a traceback of each
        raise HTTPException(400, "The body broke off.", {"Connection": "close"}) from None
    return bytes(body)
