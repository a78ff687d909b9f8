"""`/metrics`: for Prometheus. From this machine without a key, from elsewhere with one that has `account:read`."""

from __future__ import annotations

import ipaddress

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from dispatcher.access.scopes import Scope
from dispatcher.maintenance.metrics import Metrics
from dispatcher.runtime import Runtime
from dispatcher.web.api import routing


def install(app: FastAPI, runtime: Runtime) -> None:
    """Add the route."""
    metrics = Metrics(runtime)

    @app.get("/metrics", include_in_schema=False)
    async def scrape(request: Request) -> Response:
        if not _is_local(request):
            await run_in_threadpool(routing.authenticate, request, str(Scope.ACCOUNT_READ))
        return Response(await run_in_threadpool(metrics.text), media_type=CONTENT_TYPE_LATEST)


def _is_local(request: Request) -> bool:
    """Whether it comes from this machine itself; what a proxy passes on does not."""
    peer = request.client.host if request.client else ""
    try:
        direct = ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
    return direct and not any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via"))
