"""`/webhooks`: endpoints of other services that are told of events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from dispatcher.access.scopes import Scope
from dispatcher.web.api.pages import Page, PageWanted
from dispatcher.web.api.routing import RuntimeOf, api_router, needs
from dispatcher.webhooks import deliveries, endpoints
from dispatcher.webhooks.event_types import EventType
from schemas.states import DeliveryState

routes = api_router("Webhooks")

WebhookId = Annotated[str, Path(pattern=r"^wh_[0-9a-f]{24}$", description="`webhook_id` of the answer that made it.")]
DeliveryId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Url = Annotated[
    str,
    Field(min_length=1, max_length=2_000, description="https://…; plain http inside `DISPATCHER_WEBHOOK_ALLOW` alone."),
]
Events = Annotated[list[EventType], Field(min_length=1, max_length=50)]

_BODY = ("bad_json", "unsupported_media_type", "body_too_large")
_EXAMPLE = {"url": "https://crm.example.com/sms", "events": ["campaign.completed", "message.results"]}


class NewWebhook(BaseModel):
    """Where to tell of what."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    events: Events


class WebhookChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    events: Events | None = None
    state: Literal["active", "disabled"] | None = None
    """A disabled endpoint is not called. What it would be told of waits for 30 days, and goes out when it is active."""


class Webhook(BaseModel):
    """An endpoint, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    webhook_id: str
    url: str
    events: list[EventType]
    state: Literal["active", "disabled"]
    disabled_at: datetime | None
    disabled_why: Literal["operator", "gone", "failures"] | None
    """`gone`: it answered 410; `failures`: five days without a success."""
    failures: int
    """In a row."""
    failing_since: datetime | None
    succeeded_at: datetime | None
    """When it took something for the last time."""
    former_secret_until: datetime | None
    """Until when the secret before the last rotation signs too."""
    created_at: datetime
    created_by: str


class WebhookWithSecret(Webhook):
    """An endpoint with its secret, which is shown this once."""

    secret: str
    """`whsec_…`, as Standard Webhooks say."""


class Delivery(BaseModel):
    """One event on its way to one endpoint."""

    model_config = ConfigDict(from_attributes=True)

    delivery_id: int
    event_id: str
    """The header `webhook-id`: the same at every attempt and in every replay."""
    type: EventType
    campaign_id: int | None
    state: DeliveryState
    """`failed`: no attempt is left; it can be replayed."""
    attempts: int
    status: int | None
    """Of HTTP, of the last attempt."""
    answer: str | None
    """The first 500 characters of what was answered."""
    error: str | None
    created_at: datetime
    tried_at: datetime | None
    next_at: datetime | None
    """When it is tried again."""
    finished_at: datetime | None


class Replay(BaseModel):
    """One delivery, or the events of a span of time."""

    model_config = ConfigDict(extra="forbid")

    delivery_id: Annotated[int | None, Field(ge=1, le=2**63 - 1)] = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    """Null: until now."""
    missed_only: bool = False
    """Of a span: leave out what the endpoint has already."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Replay:
        if (self.delivery_id is None) == (self.since is None):
            raise ValueError("give delivery_id, or since with or without until")
        if self.since is None and (self.until is not None or self.missed_only):
            raise ValueError("until and missed_only belong to since")
        return self


class Replayed(BaseModel):
    """How much is sent once more."""

    deliveries: int
    """New deliveries; none for what waits already."""


@routes.post(
    "/webhooks",
    operation_id="create_webhook",
    summary="Make an endpoint",
    status_code=201,
    response_model=WebhookWithSecret,
    **needs(Scope.WEBHOOKS_MANAGE, "refused", *_BODY, idempotency="optional", example=_EXAMPLE),
)
def create_webhook(body: NewWebhook, response: Response, runtime: RuntimeOf) -> Any:
    """Be told of events from now on. The answer has the secret that they are signed with; it is not shown again."""
    with runtime.engine.begin() as connection:
        made, secret = endpoints.create(connection, runtime.settings, body.url, body.events)
    response.headers["Location"] = f"/api/v1/webhooks/{made.webhook_id}"
    return _with_secret(made, secret)


@routes.get(
    "/webhooks",
    operation_id="list_webhooks",
    summary="List endpoints, the newest first",
    **needs(Scope.WEBHOOKS_MANAGE, "bad_cursor"),
)
def list_webhooks(runtime: RuntimeOf, page: PageWanted) -> Page[Webhook]:
    """Endpoints, with how they fare."""
    after = page.after(int)
    with runtime.engine.connect() as connection:
        rows = endpoints.listing(connection, page.limit + 1, after[0] if after else None)
    return Page[Webhook](**page.page(rows, lambda row: (row.number,), Webhook.model_validate))


@routes.get(
    "/webhooks/{webhook_id}",
    operation_id="get_webhook",
    summary="Show an endpoint",
    response_model=Webhook,
    **needs(Scope.WEBHOOKS_MANAGE, "not_found"),
)
def get_webhook(webhook_id: WebhookId, runtime: RuntimeOf) -> Any:
    """An endpoint, without its secret."""
    with runtime.engine.connect() as connection:
        return Webhook.model_validate(endpoints.find(connection, webhook_id))


@routes.patch(
    "/webhooks/{webhook_id}",
    operation_id="change_webhook",
    summary="Change an endpoint, disable it or enable it",
    response_model=Webhook,
    **needs(Scope.WEBHOOKS_MANAGE, "not_found", "refused", *_BODY, example={"state": "active"}),
)
def change_webhook(webhook_id: WebhookId, body: WebhookChange, runtime: RuntimeOf) -> Any:
    """Another address or other events hold for what has not been delivered yet, and for what comes."""
    with runtime.engine.begin() as connection:
        changed = endpoints.change(connection, runtime.settings, webhook_id, url=body.url, events=body.events)
        if body.state == "active":
            changed = endpoints.enable(connection, webhook_id)
        elif body.state == "disabled":
            changed = endpoints.disable(connection, webhook_id)
    return Webhook.model_validate(changed)


@routes.delete(
    "/webhooks/{webhook_id}",
    operation_id="delete_webhook",
    summary="Delete an endpoint",
    status_code=204,
    **needs(Scope.WEBHOOKS_MANAGE, "not_found"),
)
def delete_webhook(webhook_id: WebhookId, runtime: RuntimeOf) -> None:
    """It is called no more; what waits for it goes with it."""
    with runtime.engine.begin() as connection:
        endpoints.delete(connection, webhook_id)


@routes.post(
    "/webhooks/{webhook_id}/rotate",
    operation_id="rotate_webhook_secret",
    summary="Draw a new secret",
    response_model=WebhookWithSecret,
    **needs(Scope.WEBHOOKS_MANAGE, "not_found", idempotency="optional"),
)
def rotate_webhook_secret(webhook_id: WebhookId, runtime: RuntimeOf) -> Any:
    """For 24 hours both the new secret and the former one sign, so that nothing is missed while you change over."""
    with runtime.engine.begin() as connection:
        rotated, secret = endpoints.rotate(connection, webhook_id)
    return _with_secret(rotated, secret)


@routes.post(
    "/webhooks/{webhook_id}/test",
    operation_id="test_webhook",
    summary="Send an endpoint a ping",
    status_code=202,
    response_model=Delivery,
    **needs(Scope.WEBHOOKS_MANAGE, "not_found", "wrong_state", idempotency="optional"),
)
def test_webhook(webhook_id: WebhookId, response: Response, runtime: RuntimeOf) -> Any:
    """An event `ping`, delivered like any other; `Location` follows it."""
    with runtime.engine.begin() as connection:
        ping = deliveries.test(connection, webhook_id)
    response.headers["Location"] = f"/api/v1/webhooks/{webhook_id}/deliveries/{ping.delivery_id}"
    return Delivery.model_validate(ping)


@routes.get(
    "/webhooks/{webhook_id}/deliveries",
    operation_id="list_webhook_deliveries",
    summary="List what was delivered and what was not, the newest first",
    **needs(Scope.WEBHOOKS_MANAGE, "not_found", "bad_cursor"),
)
def list_webhook_deliveries(
    webhook_id: WebhookId,
    runtime: RuntimeOf,
    page: PageWanted,
    state: DeliveryState | None = None,
) -> Page[Delivery]:
    """Deliveries are kept for 30 days."""
    after = page.after(int)
    before = after[0] if after else None
    with runtime.engine.connect() as connection:
        rows = deliveries.listing(connection, webhook_id, page.limit + 1, state=state, before=before)
    return Page[Delivery](**page.page(rows, lambda row: (row.delivery_id,), Delivery.model_validate))


@routes.get(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}",
    operation_id="get_webhook_delivery",
    summary="Show a delivery",
    response_model=Delivery,
    **needs(Scope.WEBHOOKS_MANAGE, "not_found"),
)
def get_webhook_delivery(webhook_id: WebhookId, delivery_id: DeliveryId, runtime: RuntimeOf) -> Any:
    """What became of one event at one endpoint."""
    with runtime.engine.connect() as connection:
        return Delivery.model_validate(deliveries.find(connection, webhook_id, delivery_id))


@routes.post(
    "/webhooks/{webhook_id}/replay",
    operation_id="replay_webhook",
    summary="Send events once more",
    status_code=202,
    **needs(
        Scope.WEBHOOKS_MANAGE,
        *("not_found", *_BODY),
        idempotency="optional",
        example={"since": "2026-12-01T09:00:00-03:00", "missed_only": True},
    ),
)
def replay_webhook(webhook_id: WebhookId, body: Replay, runtime: RuntimeOf) -> Replayed:
    """One delivery, or the events of a span of time that the endpoint wants, under the ids that they had."""
    with runtime.engine.begin() as connection:
        if body.delivery_id is not None:
            return Replayed(deliveries=deliveries.replay(connection, webhook_id, body.delivery_id))
        assert body.since is not None
        span = (body.since, body.until)
        return Replayed(deliveries=deliveries.replay_span(connection, webhook_id, *span, missed_only=body.missed_only))


def _with_secret(webhook: endpoints.Webhook, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret(**Webhook.model_validate(webhook).model_dump(), secret=secret)
