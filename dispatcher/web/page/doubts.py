"""Blocks whose outcome nobody knows, with the evidence for each, and the two answers with what follows from them."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection

from dispatcher.access.roles import Role
from dispatcher.campaigns import doubt_words, operator_actions, summary
from dispatcher.campaigns.operator_actions import Doubt
from dispatcher.errors import UsageError
from dispatcher.i18n.words import counted, translated
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from dispatcher.web.page.show import go, show

routes = page_router()


@routes.get("/campaigns/{campaign_id:int}/doubts", **needs(Role.VIEWER))
def listing(request: Request, runtime: RuntimeOf, campaign_id: int) -> Response:
    """All doubts of a campaign, with what is known of each."""
    with runtime.engine.connect() as connection:
        it = summary.show(connection, campaign_id)
        found = operator_actions.doubts(connection, campaign_id)
    return show(
        request,
        "doubts.html",
        it=it,
        doubts=[{"it": each, "evidence": doubt_words.evidence(each), "open": _open(each)} for each in found],
        done=translated("Decided.") if request.query_params.get("done") else "",
    )


@routes.get("/campaigns/{campaign_id:int}/doubts/{chunk_no:int}", **needs(Role.SENDER))
def ask(request: Request, runtime: RuntimeOf, campaign_id: int, chunk_no: int) -> Response:
    """One doubt, and the two answers."""
    with runtime.engine.connect() as connection:
        it = summary.show(connection, campaign_id)
        doubt = _find(connection, campaign_id, chunk_no)
    if doubt is None:
        return go(request, f"/campaigns/{campaign_id}/doubts")
    return show(
        request,
        "doubt.html",
        it=it,
        doubt=doubt,
        evidence=doubt_words.evidence(doubt),
        answers=_answers(doubt),
        error="",
    )


@routes.post("/campaigns/{campaign_id:int}/doubts/{chunk_no:int}", **needs(Role.SENDER))
def decide(request: Request, runtime: RuntimeOf, form: FormOf, campaign_id: int, chunk_no: int) -> Response:
    """Decide it; recorded under the user's name."""
    verdict: Literal["sent", "unsent"] = "sent" if form.text("as") == "sent" else "unsent"
    with runtime.engine.connect() as connection:
        it = summary.show(connection, campaign_id)
        doubt = _find(connection, campaign_id, chunk_no)
    if doubt is None or form.text("as") not in ("sent", "unsent"):
        return go(request, f"/campaigns/{campaign_id}/doubts")
    try:
        operator_actions.resolve(runtime.engine, campaign_id, chunk_no, verdict)
    except UsageError as error:  # its POST is still under way, or the provider took it
        return show(
            request,
            "doubt.html",
            409,
            it=it,
            doubt=doubt,
            evidence=doubt_words.evidence(doubt),
            answers=_answers(doubt),
            error=str(error),
        )
    request.app.state.hints.tick()
    return go(request, f"/campaigns/{campaign_id}/doubts", done=1)


def _find(connection: Connection, campaign_id: int, chunk_no: int) -> Doubt | None:
    found = operator_actions.doubts(connection, campaign_id)
    return next((each for each in found if each.chunk_no == chunk_no), None)


def _open(doubt: Doubt) -> int:
    return doubt.messages - doubt.found


def _answers(doubt: Doubt) -> dict[str, str]:
    """What follows from each answer."""
    n = _open(doubt)
    sent = counted(
        n,
        "{n:,} message waits for its result and is never sent again. If it was not sent after all, nobody gets it.",
        "{n:,} messages wait for their results and are never sent again. If they were not sent after all, "
        "nobody gets them.",
    )
    unsent = counted(
        n,
        "{n:,} message is sent again. If it was sent after all, its person gets it twice.",
        "{n:,} messages are sent again. If they were sent after all, their people get them twice.",
    )
    return {"sent": sent, "unsent": unsent}
