"""Webhooks and their deliveries, for admins: made, changed, enabled, disabled, tested, replayed."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.errors import UsageError
from dispatcher.runtime import Runtime
from dispatcher.web.page.failures import without_commands
from dispatcher.web.page.forms import Form
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from dispatcher.web.page.show import go, show
from dispatcher.web.page.typed import whole_number
from dispatcher.webhooks import deliveries, endpoints
from dispatcher.webhooks.endpoints import NoWebhook
from dispatcher.webhooks.event_types import MEANINGS, EventType

routes = page_router()

_SHOWN = 50


@routes.get("/webhooks", **needs(Role.ADMIN))
def listing(request: Request, runtime: RuntimeOf) -> Response:
    """The endpoints, and the form for another one."""
    return _all(request, runtime)


@routes.post("/webhooks", **needs(Role.ADMIN))
def create(request: Request, runtime: RuntimeOf, form: FormOf) -> Response:
    """Make an endpoint; its secret is shown this once."""
    try:
        with runtime.engine.begin() as connection:
            made, secret = endpoints.create(connection, runtime.settings, form.text("url"), _events(form))
    except UsageError as error:
        return _all(request, runtime, 422, typed=form.text("url"), events=form.all("event"), error=_said(error))
    return _one(request, runtime, made.webhook_id, secret=secret)


@routes.get("/webhooks/{webhook_id}", **needs(Role.ADMIN))
def one(request: Request, runtime: RuntimeOf, webhook_id: str, before: str = "") -> Response:
    """An endpoint with its deliveries, the newest first."""
    return _one(request, runtime, webhook_id, before=before)


@routes.post("/webhooks/{webhook_id}/change", **needs(Role.ADMIN))
def edit(request: Request, runtime: RuntimeOf, form: FormOf, webhook_id: str) -> Response:
    """Give it another address, other events, or another secret."""
    secret = ""
    try:
        with runtime.engine.begin() as connection:
            if form.has("rotate"):
                secret = endpoints.rotate(connection, webhook_id)[1]
            else:
                url, events = form.text("url"), _events(form)
                endpoints.change(connection, runtime.settings, webhook_id, url=url, events=events)
    except NoWebhook:
        raise
    except UsageError as error:
        url, chosen = form.text("url"), form.all("event")
        return _one(request, runtime, webhook_id, status=422, error=_said(error), typed=url, events=chosen)
    return _one(request, runtime, webhook_id, secret=secret) if secret else go(request, f"/webhooks/{webhook_id}")


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
        elif action == "delete":
            endpoints.delete(connection, webhook_id)
        elif action == "replay":
            deliveries.replay(connection, webhook_id, whole_number(form.text("delivery_id")) or 0)
    request.app.state.hints.tick()
    return go(request, "/webhooks" if action == "delete" else f"/webhooks/{webhook_id}")


_CHOICES = [(str(name), meaning) for name, meaning in MEANINGS.items() if name is not EventType.PING]


def _events(form: Form) -> list[EventType]:
    return [EventType(each) for each in form.all("event") if each in set(EventType)]


def _said(error: UsageError) -> str:
    return f"{error} {without_commands(error.hint)}".strip()


def _all(
    request: Request,
    runtime: Runtime,
    status: int = 200,
    *,
    error: str = "",
    typed: str = "",
    events: Sequence[str] = (),
) -> Response:
    with runtime.engine.connect() as connection:
        found = endpoints.listing(connection, endpoints.MOST)
    chosen = {"typed": typed, "events": events, "choices": _CHOICES, "error": error}
    return show(request, "webhooks.html", status, webhooks=found, **chosen)


def _one(
    request: Request,
    runtime: Runtime,
    webhook_id: str,
    *,
    before: str = "",
    status: int = 200,
    error: str = "",
    secret: str = "",
    typed: str | None = None,
    events: Sequence[str] | None = None,
) -> Response:
    with runtime.engine.connect() as connection:
        it = endpoints.find(connection, webhook_id)
        found = deliveries.listing(connection, webhook_id, _SHOWN + 1, before=whole_number(before))
    following = found[_SHOWN - 1].delivery_id if len(found) > _SHOWN else None
    chosen = {"typed": it.url if typed is None else typed, "events": it.events if events is None else events}
    shown = {**chosen, "choices": _CHOICES, "error": error, "secret": secret}
    return show(request, "webhook.html", status, it=it, deliveries=found[:_SHOWN], next=following, **shown)
