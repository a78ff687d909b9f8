"""The id of each request: the caller's, or drawn. Answers carry it as X-Request-Id, log lines as `request=`."""

from __future__ import annotations

import logging
import re
import uuid
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatcher.logs import Kind, WithoutQuotes, formatter

_HEADER = "X-Request-Id"
_TAKEN = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def request_id() -> str | None:
    """The id of the request that is answered here; None outside of any."""
    return _current.get()


class RequestIds:
    """Gives every request its id."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the caller's id, or draw one, and answer with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(_HEADER, "")
        number = given if _TAKEN.fullmatch(given) else uuid.uuid4().hex

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[_HEADER] = number
            await send(message)

        token = _current.set(number)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            _current.reset(token)


class _Noted(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        number = request_id()
        record.request = f" request={number}" if number else ""
        return True


def note_in_logs(kind: Kind) -> None:
    """Let the log lines of this process, of this kind, say which request they belong to."""
    for handler in logging.root.handlers:
        handler.addFilter(_Noted())
        handler.addFilter(WithoutQuotes())
        handler.setFormatter(formatter(kind, "%(levelname)s %(name)s %(message)s%(request)s"))
