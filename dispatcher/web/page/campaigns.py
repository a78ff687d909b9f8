"""The list of campaigns, the newest first, by state and name; what is being prepared on top."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.campaigns import preparations, request_intake, summary
from dispatcher.campaigns.summary import Wanted
from dispatcher.db.storable import storable
from dispatcher.web.page.parts import of_summary
from dispatcher.web.page.routing import RuntimeOf, VisitorOf, needs, page_router
from dispatcher.web.page.show import show
from dispatcher.web.page.typed import whole_number
from schemas.states import CampaignState

routes = page_router()

_SHOWN = 25
STATES = tuple(str(state) for state in CampaignState if state is not CampaignState.LOADING)


@routes.get("/campaigns", **needs(Role.VIEWER))
def listing(
    request: Request, runtime: RuntimeOf, visitor: VisitorOf, state: str = "", q: str = "", before: str = ""
) -> Response:
    """Campaigns, a page of them."""
    state = state if state in STATES else ""
    name, known = storable(q).strip()[:200], whole_number(before)
    with runtime.engine.connect() as connection:
        wanted = Wanted(state=state or None, name=name or None, before=known)
        found = summary.listing(connection, _SHOWN + 1, wanted)
        on_top = not (state or name or known)
        loading = request_intake.being_loaded(connection, _SHOWN) if on_top else []
        preparing = preparations.open_ones(connection) if on_top and visitor.may("operator") else []
    more = len(found) > _SHOWN
    return show(
        request,
        "campaigns.html",
        campaigns=[{"it": each, "parts": of_summary(each)} for each in found[:_SHOWN]],
        preparing=preparing,
        loading=loading,
        states=STATES,
        state=state,
        q=name,
        before=known,
        next=found[_SHOWN - 1].campaign_id if more else None,
    )
