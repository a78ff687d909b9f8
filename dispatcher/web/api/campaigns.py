"""`/campaigns`: hand one in, list them, show one, change one that has not begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

from fastapi import Query, Request, Response
from sqlalchemy import Connection

from dispatcher.access.scopes import Scope
from dispatcher.campaigns import changing, request_intake, summary
from dispatcher.campaigns.progress import progress
from dispatcher.campaigns.summary import Summary, Wanted
from dispatcher.config import Settings
from dispatcher.maintenance import workers_seen
from dispatcher.suppression import no_llame
from dispatcher.web.api.campaign_models import EXAMPLE, Campaign, CampaignAnswer, CampaignChange, CampaignCreate
from dispatcher.web.api.pages import Page, PageWanted
from dispatcher.web.api.paths import AMoment, CampaignId
from dispatcher.web.api.problems import Problem
from dispatcher.web.api.routing import CallerOf, IdempotencyKeyOf, RuntimeOf, api_router, needs, require_scope
from schemas.states import CampaignState

routes = api_router("Campaigns")

_OVER = ("completed", "cancelled")


@routes.post(
    "/campaigns",
    operation_id="create_campaign",
    summary="Hand in a campaign",
    status_code=201,
    response_model=CampaignAnswer,
    **needs(
        Scope.CAMPAIGNS_WRITE,
        "bad_json",
        "refused",
        "body_too_large",
        "unsupported_media_type",
        "value_not_storable",
        idempotency="own",
        example=EXAMPLE,
        also={202: {"description": "A worker loads it; Location says where to look.", "model": CampaignAnswer}},
    ),
)
def create_campaign(
    body: CampaignCreate,
    request: Request,
    response: Response,
    runtime: RuntimeOf,
    caller: CallerOf,
    key: IdempotencyKeyOf,
) -> Any:
    """Load a list as a campaign, of `recipients` in line or of an upload.

    201: it is loaded. 202: a worker loads it; `Location` says where to look. With `draft` it waits for
    `/campaigns/{id}/send`; without, the key needs the scope `campaigns:send` too. A row that cannot become a message
    is an invalid row, and the others go on.
    """
    if not body.draft:
        require_scope(caller, Scope.CAMPAIGNS_SEND)
    payload = {**body.model_dump(), "idempotency_key": key}
    outcome = request_intake.receive(runtime.engine, runtime.settings, payload, load=body.upload_id is None)
    if outcome.state == "other_payload":
        raise Problem("idempotency_key_reused")
    if outcome.state in ("refused", "failed"):
        raise Problem("refused", why=f"{(outcome.error or '').rstrip('.')}.")
    if outcome.campaign_id is not None:
        response.headers["Location"] = f"/api/v1/campaigns/{outcome.campaign_id}"
    else:  # another call loads it at this moment: the same again is answered with its number
        response.headers.update({"Location": request.scope["path"], "Retry-After": "1"})
    if outcome.state == "received":
        response.status_code = 202
        request.app.state.hints.load_request(str(key).strip())
        with runtime.engine.connect() as connection:
            warnings = no_llame.warnings(connection, body.intent)
        return CampaignAnswer(
            campaign_id=outcome.campaign_id,
            state=CampaignState.LOADING,
            messages=None,
            invalid=None,
            draft=body.draft,
            warnings=warnings,
        )
    assert outcome.campaign_id is not None
    with runtime.engine.connect() as connection:
        shown = summary.show(connection, outcome.campaign_id)
        warnings = no_llame.warnings(connection, shown.intent)
    request.app.state.hints.tick()
    return CampaignAnswer(
        campaign_id=shown.campaign_id,
        state=CampaignState(shown.state),
        messages=shown.messages,
        invalid=shown.invalid,
        draft=shown.state == "draft",
        warnings=warnings,
    )


@routes.get(
    "/campaigns",
    operation_id="list_campaigns",
    summary="List campaigns, the newest first",
    **needs(Scope.CAMPAIGNS_READ, "bad_cursor"),
)
def list_campaigns(
    runtime: RuntimeOf,
    page: PageWanted,
    state: Annotated[CampaignState | None, Query(description="Only those in this state.")] = None,
    tag: Annotated[
        str | None,
        Query(max_length=260, pattern=r"^[^\x00]+$", description="Only those with this tag: NAME or NAME:VALUE."),
    ] = None,
    created_after: Annotated[AMoment | None, Query(description="Only those created after this moment.")] = None,
) -> Page[Campaign]:
    """Campaigns with their progress, the newest first."""
    after = page.after(int)
    name, colon, value = (tag or "").partition(":")
    wanted = Wanted(
        state=state,
        tag=(name, value if colon else None) if tag else None,
        created_after=created_after,
        before=after[0] if after else None,
    )
    with runtime.engine.connect() as connection:
        rows = summary.listing(connection, page.limit + 1, wanted)
        known = _Known.read(connection)
        shown = page.page(
            rows, lambda row: (row.campaign_id,), lambda row: _full(connection, runtime.settings, row, known)
        )
    return Page[Campaign](**shown)


@routes.get(
    "/campaigns/{campaign_id}",
    operation_id="get_campaign",
    summary="Show a campaign",
    response_model=Campaign,
    **needs(Scope.CAMPAIGNS_READ, "not_found"),
)
def get_campaign(campaign_id: CampaignId, response: Response, runtime: RuntimeOf) -> Any:
    """A campaign with its progress; while it is still being loaded, its state is `loading`."""
    return _shown(campaign_id, response, runtime)


def _shown(campaign_id: int, response: Response, runtime: RuntimeOf) -> Campaign:
    with runtime.engine.connect() as connection:
        try:
            found = summary.show(connection, campaign_id)
        except summary.NoCampaign as none:
            found = _reserved(connection, campaign_id, none)
            response.headers["Retry-After"] = "1"
        return _full(connection, runtime.settings, found, _Known.read(connection))


def _reserved(connection: Connection, campaign_id: int, none: summary.NoCampaign) -> Summary:
    """A campaign that a worker still loads, under the number that it will have."""
    waiting = request_intake.reserved(connection, campaign_id)
    if waiting is None:
        raise none
    if waiting.error is not None:
        raise Problem("not_found", why=f"The list was refused, so there is no campaign: {waiting.error}")
    return summary.loading(campaign_id, waiting.created_at, waiting.intent)


@dataclass(frozen=True, slots=True)
class _Known:
    """What may be wrong for every campaign: no worker is seen; for marketing, the registry is old or not there."""

    unseen: str | None
    registry: list[str]

    @classmethod
    def read(cls, connection: Connection) -> Self:
        return cls(workers_seen.complaint(connection), no_llame.warnings(connection, no_llame.MARKETING))


def _full(connection: Connection, settings: Settings, shown: Summary, known: _Known) -> Campaign:
    coming = progress(connection, settings, shown)
    over = shown.state in _OVER
    warnings = [words for words in (shown.blocked, None if over else known.unseen) if words]
    if shown.intent == no_llame.MARKETING and not over:
        warnings += known.registry
    return Campaign(
        **vars(shown),
        progress=coming.share,
        rate_per_minute=coming.rate_per_minute,
        ends_about=coming.ends_about,
        warnings=warnings,
    )


@routes.patch(
    "/campaigns/{campaign_id}",
    operation_id="change_campaign",
    summary="Change a campaign that has not begun",
    response_model=Campaign,
    **needs(
        Scope.CAMPAIGNS_WRITE,
        *("not_found", "wrong_state", "refused", "bad_json", "unsupported_media_type"),
        example={"name": "Turnos de enero", "start": "2027-01-04 09:00:00"},
    ),
)
def change_campaign(campaign_id: CampaignId, body: CampaignChange, response: Response, runtime: RuntimeOf) -> Any:
    """Change its name, times, rate, priority or tags: of a draft, or of a campaign whose first message has not gone.

    Of a draft the template too: its texts are rendered anew from its list, as long as that is kept.
    """
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    for name in ("name", "priority", "tags", "template"):
        if name in changes and changes[name] is None:
            del changes[name]
    changing.change(runtime.engine, runtime.settings, campaign_id, changes)
    return _shown(campaign_id, response, runtime)
