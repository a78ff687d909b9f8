"""`/campaigns/{id}/…`: send, pause, resume, cancel, resolve."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from dispatcher.access.scopes import Scope
from dispatcher.campaigns import lifecycle, operator_actions, summary
from dispatcher.campaigns.lifecycle import Halted
from dispatcher.errors import UsageError
from dispatcher.web.api.campaign_models import CampaignAnswer, Moved
from dispatcher.web.api.paths import CampaignId
from dispatcher.web.api.problems import Problem
from dispatcher.web.api.routing import CallerOf, RuntimeOf, api_router, needs
from schemas.states import CampaignState

routes = api_router("Campaigns")

_PATIENCE = 5.0
"""Seconds that a call waits for POSTs in flight; `in_flight` says how many are left."""


def _moved(halted: Halted) -> Moved:
    return Moved(campaign_id=halted.campaign_id, state=CampaignState(halted.state), in_flight=halted.in_flight)


@routes.post(
    "/campaigns/{campaign_id}/send",
    operation_id="send_campaign",
    summary="Release a draft",
    **needs(Scope.CAMPAIGNS_SEND, "not_found", "wrong_state", idempotency="optional"),
)
def send_campaign(campaign_id: CampaignId, request: Request, runtime: RuntimeOf) -> Moved:
    """Let a draft go; it is sent when its time comes. A campaign that was released before stays as it is."""
    halted = lifecycle.send(runtime.engine, runtime.settings, campaign_id)
    request.app.state.hints.tick()
    return _moved(halted)


@routes.post(
    "/campaigns/{campaign_id}/pause",
    operation_id="pause_campaign",
    summary="Pause a campaign",
    **needs(Scope.CAMPAIGNS_WRITE, "not_found", "wrong_state", idempotency="optional"),
)
def pause_campaign(campaign_id: CampaignId, runtime: RuntimeOf, caller: CallerOf) -> Moved:
    """Stop sending until it is resumed. What is on its way already is `in_flight`."""
    why = f"paused by {caller.actor}"
    return _moved(lifecycle.pause(runtime.engine, campaign_id, wait=_PATIENCE, reason=why))


@routes.post(
    "/campaigns/{campaign_id}/resume",
    operation_id="resume_campaign",
    summary="Resume a paused campaign",
    **needs(Scope.CAMPAIGNS_SEND, "not_found", "wrong_state", idempotency="optional"),
)
def resume_campaign(campaign_id: CampaignId, request: Request, runtime: RuntimeOf) -> Moved:
    """Go on. If the canary or the reject rate paused it, the rest is sent without a canary."""
    halted = lifecycle.resume(runtime.engine, campaign_id)
    request.app.state.hints.tick()
    return _moved(halted)


@routes.post(
    "/campaigns/{campaign_id}/cancel",
    operation_id="cancel_campaign",
    summary="Cancel a campaign",
    **needs(Scope.CAMPAIGNS_WRITE, "not_found", "wrong_state", idempotency="optional"),
)
def cancel_campaign(campaign_id: CampaignId, runtime: RuntimeOf, caller: CallerOf) -> Moved:
    """Stop it for good. Messages that were sent already still get their results."""
    why = f"cancelled by {caller.actor}"
    return _moved(lifecycle.cancel(runtime.engine, campaign_id, wait=_PATIENCE, reason=why))


class Retry(BaseModel):
    """Which rejected messages to send again."""

    model_config = ConfigDict(extra="forbid")

    codes: Annotated[list[Annotated[int, Field(ge=-99, le=-1)]], Field(min_length=1, max_length=20)]
    """Result codes of the guide; not -3 and -14, which mean that the person wants none."""


@routes.post(
    "/campaigns/{campaign_id}/retry",
    operation_id="retry_campaign",
    summary="Make a draft of the messages that were rejected",
    status_code=201,
    **needs(
        Scope.CAMPAIGNS_SEND,
        *("not_found", "conflict", "refused", "bad_json", "unsupported_media_type"),
        idempotency="optional",
        example={"codes": [-10]},
    ),
)
def retry_campaign(campaign_id: CampaignId, body: Retry, response: Response, runtime: RuntimeOf) -> CampaignAnswer:
    """A new campaign, a draft linked to this one, of the messages with these codes. `/send` releases it.

    A message is in one such draft at most, unless that was cancelled: nobody is sent to twice by a second call.
    """
    from dispatcher.campaigns import retrying  # polars comes with it

    try:
        loaded = retrying.draft(runtime.engine, runtime.settings, campaign_id, codes=body.codes)
    except retrying.NothingRejected as error:
        raise Problem("conflict", why=str(error)) from None
    response.headers["Location"] = f"/api/v1/campaigns/{loaded.campaign_id}"
    return CampaignAnswer(
        campaign_id=loaded.campaign_id,
        state=CampaignState.DRAFT,
        messages=loaded.messages,
        invalid=loaded.invalid,
        draft=True,
    )


class Verdict(BaseModel):
    """What an operator knows of a chunk in doubt."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    chunk_no: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """Of GET /campaigns/{id}/doubts."""
    verdict: Annotated[Literal["sent", "unsent"], Field(alias="as")]
    """`sent`: wait for results. `unsent`: send the lines without a result again."""


class Resolved(BaseModel):
    """What became of the chunk."""

    campaign_id: int
    chunk_no: int
    state: str
    child: int | None
    """The chunk that its lines moved to, to be sent again."""
    messages: int


@routes.post(
    "/campaigns/{campaign_id}/resolve",
    operation_id="resolve_doubt",
    summary="Decide a chunk in doubt",
    **needs(
        Scope.CAMPAIGNS_SEND,
        *("not_found", "conflict", "bad_json", "unsupported_media_type"),
        idempotency="optional",
        example={"chunk_no": 3, "as": "sent"},
    ),
)
def resolve_doubt(campaign_id: CampaignId, body: Verdict, runtime: RuntimeOf) -> Resolved:
    """Say what became of a chunk that evidence cannot decide; recorded under your key's name."""
    with runtime.engine.connect() as connection:
        summary.show(connection, campaign_id)
    try:
        done: dict[str, Any] = operator_actions.resolve(runtime.engine, campaign_id, body.chunk_no, body.verdict)
    except UsageError as error:  # its chunk is in no doubt, or its POST is still under way
        raise Problem("conflict", why=str(error)) from None
    return Resolved(campaign_id=campaign_id, chunk_no=body.chunk_no, **done)
