"""The listener that may face the internet: the provider pushes replies (`push_routes`); nothing else is here.

Routes parse, call `dispatcher`, answer; 2xx only after commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from dispatcher.config import Settings
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.runtime import Runtime
from dispatcher.web import listener, push_routes, request_ids
from dispatcher.web.connections import OneReading
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
    app.add_middleware(OneReading)

    @app.get("/healthz")
    @app.get("/healthz/", include_in_schema=False)
    async def healthz() -> Response:
        return await run_in_threadpool(listener.health, runtime)

    @app.exception_handler(HTTPException)
    async def no_such(request: Request, error: HTTPException) -> Response:
        words = {404: "There is nothing here.", 405: f"{request.method[:20]} means nothing here."}
        return JSONResponse({"error": words.get(error.status_code, error.detail)}, error.status_code, error.headers)

    for kind in DRIVER_ERRORS:  # of a route that has no words of its own for it
        app.add_exception_handler(kind, lambda request, error: failed(error))

    app.include_router(push_routes.router(runtime))
    return app


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UsageError: the database lacks this version's schema.
    """
    request_ids.note_in_logs(settings.log)
    listener.run(create_app(listener.open_runtime(settings)), settings.push_host, settings.push_port)
