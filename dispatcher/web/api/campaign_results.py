"""`/campaigns/{id}/…`: messages, invalid rows, doubts, audit, events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from pydantic import BaseModel

from dispatcher import audit_trail
from dispatcher.access.scopes import Scope
from dispatcher.campaigns import audit, invalid_rows, kept_rows, messages, operator_actions, summary
from dispatcher.campaigns.messages import Filters
from dispatcher.web.api.accepted import quality
from dispatcher.web.api.pages import Page, PageWanted
from dispatcher.web.api.paths import CampaignId
from dispatcher.web.api.routing import RuntimeOf, api_router, needs
from dispatcher.web.pieces import streamed
from schemas.states import MessageStatus

routes = api_router("Results")

_NDJSON, _CSV = "application/x-ndjson", "text/csv"
_MEDIA_TYPES = {"ndjson": _NDJSON, "csv": f"{_CSV}; charset=utf-8"}
_FORMS: dict[str, Literal["json", "ndjson", "csv"]] = {"application/json": "json", _NDJSON: "ndjson", _CSV: "csv"}
_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page; or all of it, streamed, for Accept: application/x-ndjson or text/csv.",
        "content": {_NDJSON: {"schema": {"type": "string"}}, _CSV: {"schema": {"type": "string"}}},
    }
}


class Message(BaseModel):
    """A message with its result."""

    campaign_id: int
    seq: int
    external_id: str | None
    number: str
    text: str
    idinterno: str
    status: MessageStatus
    result_code: int | None
    result_text: str | None
    chunk_no: int
    submitted_at: datetime | None
    processed_at: datetime | None


def _with_streams(arguments: dict[str, Any]) -> dict[str, Any]:
    return {**arguments, "responses": {**_STREAMED, **arguments["responses"]}}


@routes.get(
    "/campaigns/{campaign_id}/messages",
    operation_id="list_messages",
    summary="The messages of a campaign with their results",
    response_model=Page[Message],
    **_with_streams(needs(Scope.RESULTS_READ, "not_found", "bad_cursor", "refused")),
)
def list_messages(
    campaign_id: CampaignId,
    request: Request,
    runtime: RuntimeOf,
    page: PageWanted,
    status: MessageStatus | None = None,
    code: Annotated[int | None, Query(ge=-99, le=1, description="Result code of the guide.")] = None,
    number: Annotated[str | None, Query(max_length=20, pattern=r"^[0-9]+$", description="National digits.")] = None,
    external_id: Annotated[str | None, Query(max_length=500, pattern=r"^[^\x00]*$", description="Your own id.")] = None,
    first_seq: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="From this message on.")] = None,
    last_seq: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Up to this message.")] = None,
) -> Any:
    """Every message in order of `seq`, in pages; or all of them in one stream, as NDJSON or CSV, for `Accept`."""
    filters = Filters(
        status=status,
        result_code=code,
        destino=number,
        external_id=external_id,
        first_seq=first_seq,
        last_seq=last_seq,
    )
    with runtime.engine.connect() as connection:
        summary.show(connection, campaign_id)
        kept_rows.require(connection, campaign_id)
    kind = _accepted(request)
    if kind is not None:
        return streamed(messages.stream(runtime.engine, campaign_id, filters, kind), _MEDIA_TYPES[kind])
    after = page.after(int)
    with runtime.engine.connect() as connection:
        rows = messages.page(connection, campaign_id, filters, after[0] if after else 0, page.limit + 1)
    return page.page(rows, lambda row: (row.seq,), lambda row: dict(row._mapping))


def _accepted(request: Request) -> Literal["ndjson", "csv"] | None:
    """What Accept likes best of the three forms; pages of JSON when it does not care."""
    best, weight = None, 0.0
    for part in request.headers.get("accept", "")[:500].lower().split(","):
        kind, _, rest = part.partition(";")
        found = _FORMS.get(kind.strip())
        if found is not None and (liked := quality(rest)) > weight:
            best, weight = found, liked
    return None if best == "json" else best


class InvalidRow(BaseModel):
    """A row of the list that became no message."""

    list_no: int
    line: int
    columns: dict[str, str | None] | None
    """The row as it was, by its headings; null where its cells do not fit them."""
    raw: str
    reason: str
    code: int | None
    detail: str


@routes.get(
    "/campaigns/{campaign_id}/invalid",
    operation_id="list_invalid_rows",
    summary="The rows that became no message, and why",
    response_model=Page[InvalidRow],
    **_with_streams(needs(Scope.RESULTS_READ, "not_found", "bad_cursor", "refused")),
)
def list_invalid_rows(campaign_id: CampaignId, request: Request, runtime: RuntimeOf, page: PageWanted) -> Any:
    """Invalid rows with line, reason and detail, of the list and of those appended; or all of them in one stream.

    As `text/csv` they can be mended and loaded again.
    """
    with runtime.engine.connect() as connection:
        summary.show(connection, campaign_id)
        kept_rows.require(connection, campaign_id)
    kind = _accepted(request)
    if kind is not None:
        return streamed(invalid_rows.stream(runtime.engine, campaign_id, kind), _MEDIA_TYPES[kind])
    after = page.after(int, int) or (0, 0)
    with runtime.engine.connect() as connection:
        rows = invalid_rows.page(connection, campaign_id, after, page.limit + 1)
    return page.page(rows, lambda row: (row.list_no, row.line), lambda row: vars(row))


class Doubt(BaseModel):
    """A chunk whose outcome nobody knows, with the evidence so far."""

    chunk_no: int
    state: str
    since: datetime
    reason: str
    outcome: str
    messages: int
    found: int
    absent: int
    held: int
    resends: int
    evidence_at: datetime | None
    balance_before: int | None
    balance_after: int | None


class Doubts(BaseModel):
    """All doubts of a campaign."""

    data: list[Doubt]
    next_cursor: None = None


@routes.get(
    "/campaigns/{campaign_id}/doubts",
    operation_id="list_doubts",
    summary="Chunks whose outcome is not known",
    **needs(Scope.CAMPAIGNS_READ, "not_found"),
)
def list_doubts(campaign_id: CampaignId, runtime: RuntimeOf) -> Doubts:
    """Chunks in doubt or held; those that are held wait for `/resolve`."""
    with runtime.engine.connect() as connection:
        summary.show(connection, campaign_id)
        return Doubts(data=[Doubt(**vars(doubt)) for doubt in operator_actions.doubts(connection, campaign_id)])


class Audit(BaseModel):
    """The sums of a campaign, counted anew."""

    campaign_id: int
    rows: int
    messages: int
    invalid: int
    statuses: dict[str, int]
    attempts: dict[str, int]
    sent_min: int
    sent_max: int
    operator_actions: int
    complaints: list[str]
    balanced: bool


@routes.get(
    "/campaigns/{campaign_id}/audit",
    operation_id="audit_campaign",
    summary="Count the messages and compare with the counters",
    **needs(Scope.CAMPAIGNS_READ, "not_found", "refused"),
)
def audit_campaign(campaign_id: CampaignId, runtime: RuntimeOf) -> Audit:
    """Rows = messages + invalid rows, messages = the sum of their statuses; `complaints` says what does not hold."""
    with runtime.engine.connect() as connection:
        found = audit.audit(connection, campaign_id)
    names = Audit.model_fields
    return Audit(**{name: getattr(found, name) for name in names})


class Event(BaseModel):
    """One thing that was done to a campaign."""

    id: int
    at: datetime
    actor: str
    """`user NAME`, `key ID NAME` or `system PART`."""
    action: str
    chunk_no: int | None
    reason: str | None
    detail: dict[str, Any]


@routes.get(
    "/campaigns/{campaign_id}/events",
    operation_id="list_campaign_events",
    summary="Who did what to a campaign, why and when",
    response_model=Page[Event],
    **needs(Scope.CAMPAIGNS_READ, "not_found", "bad_cursor"),
)
def list_campaign_events(campaign_id: CampaignId, runtime: RuntimeOf, page: PageWanted) -> Any:
    """The audit trail of a campaign, in order."""
    after = page.after(int)
    with runtime.engine.connect() as connection:
        summary.show(connection, campaign_id)
        rows = audit_trail.of_campaign(connection, campaign_id, after=after[0] if after else 0, limit=page.limit + 1)
    return page.page(rows, lambda row: (row.id,), lambda row: row.as_json())
