"""What both listeners are started with."""

from __future__ import annotations

from typing import Any

import uvicorn
from fastapi.responses import JSONResponse, Response
from sqlalchemy import select
from starlette.types import ASGIApp

from dispatcher import error_reports
from dispatcher.config import Settings
from dispatcher.db import migrations
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.errors import UsageError
from dispatcher.home import keep_to_ourselves
from dispatcher.runtime import Runtime
from dispatcher.web.connections import HEADER_BYTES, BoundedProtocol

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


def open_runtime(settings: Settings) -> Runtime:
    """A runtime to serve.

    Raises:
        UsageError: the database lacks this version's schema.
    """
    error_reports.require(settings)
    error_reports.start(settings)
    keep_to_ourselves()
    runtime = Runtime(settings)
    migrations.require_schema(runtime.engine)
    return runtime


def run(app: ASGIApp, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    uvicorn.run(app, host=host, port=port, log_level="warning", log_config=None, **LISTENER)


def health(runtime: Runtime) -> Response:
    """Whether the database answers."""
    try:
        with runtime.engine.connect() as connection:
            connection.execute(select(1))
    except (*DRIVER_ERRORS, UsageError) as error:
        return JSONResponse({"ok": False, "detail": type(error).__name__}, status_code=503)
    return JSONResponse({"ok": True})
