"""The HTTP API: the provider pushes replies (`push_routes`), other services hand in campaigns (`campaign_routes`).

Routes parse, call `dispatcher`, answer; 2xx only after commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from sqlalchemy import select
from starlette.exceptions import HTTPException

from dispatcher.config import Settings
from dispatcher.db import migrations
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.errors import UsageError
from dispatcher.home import keep_to_ourselves
from dispatcher.runtime import Runtime
from dispatcher.web import campaign_routes, push_routes
from dispatcher.web.connections import HEADER_BYTES, BoundedProtocol, OneLength
from dispatcher.web.database_errors import failed


def create_app(runtime: Runtime) -> FastAPI:
    """The application over a runtime, which it closes at its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        runtime.close()

    # No pages about the API itself on a port that the internet sees.
    app = FastAPI(title="dispatcher", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    # A redirect would send secret, number and text once more, in a URL that the Host header chose.
    app.router.redirect_slashes = False
    app.add_middleware(OneLength)

    @app.get("/healthz")
    @app.get("/healthz/", include_in_schema=False)
    async def healthz() -> Response:
        return await run_in_threadpool(_health, runtime)

    @app.exception_handler(HTTPException)
    async def no_such(request: Request, error: HTTPException) -> Response:
        words = {404: "There is nothing here.", 405: f"{request.method} means nothing here."}
        return JSONResponse({"error": words.get(error.status_code, error.detail)}, error.status_code, error.headers)

    for kind in DRIVER_ERRORS:  # of a route that has no words of its own for it
        app.add_exception_handler(kind, lambda request, error: failed(error))

    app.include_router(push_routes.router(runtime))
    app.include_router(campaign_routes.router(runtime))
    return app


def _health(runtime: Runtime) -> Response:
    try:
        with runtime.engine.connect() as connection:
            connection.execute(select(1))
    except (*DRIVER_ERRORS, UsageError) as error:
        return JSONResponse({"ok": False, "detail": type(error).__name__}, status_code=503)
    return JSONResponse({"ok": True})


LISTENER: dict[str, Any] = {
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
    "timeout_graceful_shutdown": 10,
    "http": BoundedProtocol,
    "h11_max_incomplete_event_size": HEADER_BYTES,
}
"""No access log: a PUSH has a telephone number, and perhaps the secret, in its URL. Proxies' headers are ours to read,
hop by hop."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UsageError: the database lacks this version's schema.
    """
    keep_to_ourselves()
    runtime = Runtime(settings)
    migrations.require_schema(runtime.engine)
    uvicorn.run(create_app(runtime), host=settings.api_host, port=settings.api_port, log_level="warning", **LISTENER)
