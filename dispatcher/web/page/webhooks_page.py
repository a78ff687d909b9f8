"""Webhooks and their deliveries, for admins: enabled, disabled, tested, replayed."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from dispatcher.web.page.show import go, show
from dispatcher.web.page.typed import whole_number
from dispatcher.webhooks import deliveries, endpoints

routes = page_router()

_SHOWN = 50


@routes.get("/webhooks", **needs(Role.ADMIN))
def listing(request: Request, runtime: RuntimeOf) -> Response:
    """The endpoints."""
    with runtime.engine.connect() as connection:
        found = endpoints.listing(connection, endpoints.MOST)
    return show(request, "webhooks.html", webhooks=found)


@routes.get("/webhooks/{webhook_id}", **needs(Role.ADMIN))
def one(request: Request, runtime: RuntimeOf, webhook_id: str, before: str = "") -> Response:
    """An endpoint with its deliveries, the newest first."""
    with runtime.engine.connect() as connection:
        it = endpoints.find(connection, webhook_id)
        found = deliveries.listing(connection, webhook_id, _SHOWN + 1, before=whole_number(before))
    following = found[_SHOWN - 1].delivery_id if len(found) > _SHOWN else None
    return show(request, "webhook.html", it=it, deliveries=found[:_SHOWN], next=following)


@routes.post("/webhooks/{webhook_id}/{action}", **needs(Role.ADMIN))
def change(request: Request, runtime: RuntimeOf, form: FormOf, webhook_id: str, action: str) -> Response:
    """Enable, disable, test; send a delivery again."""
    with runtime.engine.begin() as connection:
        if action == "enable":
            endpoints.enable(connection, webhook_id)
        elif action == "disable":
            endpoints.disable(connection, webhook_id, form.text("reason")[:500] or None)
        elif action == "test":
            deliveries.test(connection, webhook_id)
        elif action == "replay":
            deliveries.replay(connection, webhook_id, whole_number(form.text("delivery_id")) or 0)
    request.app.state.hints.tick()
    return go(request, f"/webhooks/{webhook_id}")
