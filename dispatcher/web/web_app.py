"""The listener for people and services: the page at /, the API under /api/v1, its documentation, health."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatcher.config import Settings
from dispatcher.db import migrations
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.errors import UsageError
from dispatcher.runtime import Runtime
from dispatcher.web import docs_page, listener, metrics_route, request_ids
from dispatcher.web.api import document, problems
from dispatcher.web.api.rate import RateLimit
from dispatcher.web.api.resources import PREFIX, ROUTERS
from dispatcher.web.connections import OneReading
from dispatcher.web.page import pages

OPENAPI = f"{PREFIX}/openapi.json"


class Hints(NamedTuple):
    """How workers are told that there is something to do; they find it by themselves a little later."""

    tick: Callable[[], None]
    load_request: Callable[[str], None]
    check_list: Callable[[str], None]
    send_message: Callable[[dict[str, Any]], None]
    """Hands a message over, which no database knows yet: it raises when the broker does not take it."""


def _refuse(payload: dict[str, Any]) -> None:
    raise UsageError("Messages cannot be queued here: there is no broker.", hint="Leave async out.")


NO_HINTS = Hints(lambda: None, lambda key: None, lambda check_id: None, _refuse)


def create_app(runtime: Runtime, hints: Hints = NO_HINTS) -> FastAPI:
    """The application over a runtime, which it closes at its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        runtime.close()

    app = FastAPI(title="dispatcher", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.state.runtime = runtime
    app.state.hints = hints
    app.state.rate_limit = RateLimit(runtime.settings)
    # The last one that is added is the first that a request meets.
    app.add_middleware(_BothSpellings)
    app.add_middleware(OneReading)
    app.add_middleware(request_ids.RequestIds)
    problems.install(app)
    for routes in ROUTERS:
        app.include_router(routes, prefix=PREFIX)
    documentation = docs_page.router(OPENAPI)
    app.include_router(documentation)
    _add_health(app, runtime)
    _add_document(app)
    metrics_route.install(app, runtime)
    pages.install(app)
    others = [route for route in (*documentation.routes, *app.routes) if isinstance(route, Route)]
    app.state.routes = [(PREFIX, route) for routes in ROUTERS for route in routes.routes] + [
        ("", each) for each in others
    ]
    return app


def _add_health(app: FastAPI, runtime: Runtime) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return await run_in_threadpool(listener.health, runtime)

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        return await run_in_threadpool(_ready, runtime)


def _ready(runtime: Runtime) -> Response:
    """Whether calls would be served: the database answers and has this version's schema."""
    try:
        migrations.require_schema(runtime.engine)
    except (*DRIVER_ERRORS, UsageError) as error:
        return JSONResponse({"ok": False, "detail": type(error).__name__}, status_code=503)
    return JSONResponse({"ok": True})


def _add_document(app: FastAPI) -> None:
    made: dict[str, Any] = {}

    @app.get(OPENAPI, include_in_schema=False)
    def openapi() -> Response:
        if not made:
            made.update(document.make(app))
        return JSONResponse(made)


class _BothSpellings:
    """A trailing slash changes nothing, and is never answered with a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the slash away."""
        path = scope.get("path", "")
        if scope["type"] == "http" and len(path) > 1 and path.endswith("/") and not path.endswith("//"):
            scope = {**scope, "path": path[:-1]}
        await self._app(scope, receive, send)


def serve(settings: Settings, hints: Hints) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UsageError: the database lacks this version's schema.
    """
    logging.getLogger("dispatcher.web").setLevel(logging.INFO)
    request_ids.note_in_logs(settings.log)
    listener.run(create_app(listener.open_runtime(settings), hints), settings.web_host, settings.web_port)
