"""PUSH: the provider hands over a reply as it comes in. It is told OK when, and only when, the reply is committed."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse

from dispatcher.accounts import binding
from dispatcher.config import Settings
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.errors import UsageError
from dispatcher.replies import push
from dispatcher.replies.store import ReplyStore
from dispatcher.runtime import Runtime
from dispatcher.web.database_errors import verdict
from dispatcher.web.incoming import announced, carries, knows, read_body

log = logging.getLogger(__name__)

PATH = "/push/smsmasivos"
_FORM = "application/x-www-form-urlencoded"


def router(runtime: Runtime) -> APIRouter:
    """The route that the provider's panel names as the URL for PUSH, with or without a secret at its end."""
    routes = APIRouter()

    @routes.api_route(PATH, methods=["GET", "POST"])
    @routes.api_route(PATH + "/", methods=["GET", "POST"])
    @routes.api_route(PATH + "/{secret}", methods=["GET", "POST"])
    @routes.api_route(PATH + "/{secret}/", methods=["GET", "POST"])
    async def receive(request: Request, secret: str = "") -> PlainTextResponse:
        refusal = _refuse(runtime.settings, request, secret)
        if refusal is not None:
            return refusal
        if announced(request) > push.MAX_BYTES:
            return _say(413, push.TOO_LONG, {"Connection": "close"})
        try:
            pushed = push.read(request.scope["query_string"], await read_body(request, push.MAX_BYTES))
        except push.BadPush as error:
            return _say(400, str(error))
        return await run_in_threadpool(_store, runtime, pushed)

    return routes


def _refuse(settings: Settings, request: Request, secret: str) -> PlainTextResponse | None:
    """Why this caller may not push; None when it may."""
    if not knows(secret, settings.push_secret):
        return _say(404, "There is nothing here.")
    peer = request.client.host if request.client else None
    address = push.caller(peer, request.headers.getlist("x-forwarded-for"), settings.trusted_hops)
    if not push.allowed(address, settings.push_networks):
        log.warning("push_refused address=%s", address)
        return _say(403, f"The address {address or peer} may not push: it is not in DISPATCHER_PUSH_ALLOW.")
    if not carries(request, _FORM, unsaid=True):
        return _say(415, f"Send ORIGEN, TEXTO and IDINTERNO as {_FORM}, or in the query.")
    return None


def _store(runtime: Runtime, pushed: push.Push) -> PlainTextResponse:
    try:
        with runtime.engine.begin() as connection:
            account = binding.find(connection, runtime.settings) or binding.bind(connection, runtime.settings)
        ReplyStore(runtime, account.id).pushed(pushed.origen, pushed.texto, pushed.idinterno)
    except UsageError as error:
        log.error("push_not_stored why=%s", error)
        return _say(503, f"{error} {error.hint or ''}".strip())
    except DRIVER_ERRORS as error:
        return PlainTextResponse(*verdict(error, "The reply could not be stored just now: send it again."))
    return _say(200, "OK")


def _say(status: int, words: str, headers: dict[str, str] | None = None) -> PlainTextResponse:
    return PlainTextResponse(words, status_code=status, headers=headers)
