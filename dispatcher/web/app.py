"""The HTTP API: the provider pushes replies, other services hand in campaigns (`campaign_routes`). Routes parse, call
`dispatcher`, answer; 2xx only after commit."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sqlalchemy import text
from starlette.exceptions import HTTPException

from dispatcher.accounts import binding
from dispatcher.config import Settings
from dispatcher.db import migrations
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.errors import UsageError
from dispatcher.replies import push
from dispatcher.replies.store import ReplyStore
from dispatcher.runtime import Runtime
from dispatcher.web import campaign_routes
from dispatcher.web.database_errors import failed, verdict

log = logging.getLogger(__name__)

PUSH_PATH = "/push/smsmasivos"
_FORM = "application/x-www-form-urlencoded"


def create_app(runtime: Runtime) -> FastAPI:
    """The application over a runtime, which it closes at its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        runtime.close()

    # No pages about the API itself on a port that the internet sees.
    app = FastAPI(title="dispatcher", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/healthz")
    async def healthz() -> Response:
        return await run_in_threadpool(_health, runtime)

    @app.api_route(PUSH_PATH, methods=["GET", "POST"])
    @app.api_route(PUSH_PATH + "/{secret}", methods=["GET", "POST"])
    async def receive(request: Request, secret: str = "") -> Response:
        refusal = _refusal(runtime.settings, request, secret)
        if refusal is not None:
            return refusal
        try:
            pushed = push.read(request.scope["query_string"], await _body(request))
        except push.BadPush as error:
            return _say(400, str(error))
        return await run_in_threadpool(_store, runtime, pushed)

    @app.exception_handler(HTTPException)
    async def no_such(request: Request, error: HTTPException) -> Response:
        words = {404: "There is nothing here.", 405: f"{request.method} means nothing here."}
        return JSONResponse({"error": words.get(error.status_code, error.detail)}, error.status_code, error.headers)

    for kind in DRIVER_ERRORS:  # of a route that has no words of its own for it
        app.add_exception_handler(kind, lambda request, error: failed(error))
    app.include_router(campaign_routes.router(runtime))
    return app


def _say(status: int, words: str) -> Response:
    return PlainTextResponse(words, status_code=status)


def _refusal(settings: Settings, request: Request, secret: str) -> Response | None:
    """Why this caller may not push; None when it may."""
    wanted = settings.push_secret.get_secret_value() if settings.push_secret else ""
    if not hmac.compare_digest(secret.encode(), wanted.encode()):
        return _say(404, "There is nothing here.")
    peer = request.client.host if request.client else None
    address = push.caller(peer, request.headers.getlist("x-forwarded-for"), settings.trusted_hops)
    if not push.allowed(address, settings.push_networks):
        log.warning("push_refused address=%s", address)
        return _say(403, f"The address {address or peer} may not push: it is not in DISPATCHER_PUSH_ALLOW.")
    if request.method == "POST" and request.headers.get("content-type", _FORM).partition(";")[0].strip() != _FORM:
        return _say(415, f"Send ORIGEN, TEXTO and IDINTERNO as {_FORM}, or in the query.")
    return None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > push.MAX_BYTES:
            break  # `push.read` says why
    return bytes(body)


def _store(runtime: Runtime, pushed: push.Push) -> Response:
    """Store a reply; the provider is told OK when, and only when, that is committed."""
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


def _health(runtime: Runtime) -> Response:
    try:
        with runtime.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except (*DRIVER_ERRORS, UsageError) as error:
        return JSONResponse({"ok": False, "detail": type(error).__name__}, status_code=503)
    return JSONResponse({"ok": True})


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UsageError: the database lacks this version's schema.
    """
    runtime = Runtime(settings)
    migrations.require_schema(runtime.engine)
    # No access log: a PUSH has a telephone number, and perhaps the secret, in its URL. Proxies' headers are ours to
    # read, hop by hop.
    uvicorn.run(
        create_app(runtime),
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
