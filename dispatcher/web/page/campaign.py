"""One campaign: its progress by itself, its codes, its pace, what was done to it, and what can be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection

from dispatcher import audit_trail
from dispatcher.access.roles import Role
from dispatcher.campaigns import action_words, approval, details, pace, preparations, request_intake, summary, waits
from dispatcher.campaigns.progress import progress
from dispatcher.campaigns.summary import NoCampaign, Summary
from dispatcher.config import Settings
from dispatcher.i18n.terms import state_word
from dispatcher.i18n.words import counted, translated, worded
from dispatcher.maintenance import workers_seen
from dispatcher.runtime import Runtime
from dispatcher.suppression import no_llame
from dispatcher.suppression.optouts import OPT_OUT_CODES
from dispatcher.web.page import charts, words
from dispatcher.web.page.parts import OF_STATUS, of_summary
from dispatcher.web.page.routing import RuntimeOf, Visitor, VisitorOf, needs, page_router
from dispatcher.web.page.shared_looks import shared
from dispatcher.web.page.show import go, is_fragment, moment, number, secure, show

routes = page_router()

_EVENTS = 20
_OVER = ("completed", "cancelled")
_ORDER = ("ok", "simulated", "rejected", "submitted", "in_doubt", "held", "pending", "suppressed", "expired")
_LOADING_AGAIN = 2


@routes.get("/campaigns/{campaign_id:int}", **needs(Role.VIEWER))
def campaign(request: Request, runtime: RuntimeOf, visitor: VisitorOf, campaign_id: int) -> Response:
    """A campaign; while it is still being loaded, that, and why when its list was refused."""
    with runtime.engine.connect() as connection:
        try:
            shown = summary.show(connection, campaign_id)
        except NoCampaign:
            return _loading(request, connection, campaign_id)
        values = _live(connection, runtime.settings, shown, visitor)
        lists = details.lists(connection, campaign_id)
        retries = details.retries(connection, campaign_id)
        list_kept = visitor.may("operator") and bool(details.kept_lists(connection, campaign_id))
    return show(
        request,
        "campaign.html",
        **values,
        lists=lists,
        retries=retries,
        list_kept=list_kept,
        priority=action_words.priority(shown.priority),
        window=words.hours(runtime.settings.sending_window),
        days_off=words.days_off(shown.not_on),
        done=_done(request.query_params.get("done", ""), shown),
    )


@routes.get("/campaigns/{campaign_id:int}/live", **needs(Role.VIEWER))
def live(request: Request, runtime: RuntimeOf, visitor: VisitorOf, campaign_id: int) -> Response:
    """The part of it that changes by itself."""
    if request.query_params.get("loading"):
        return _look(request, runtime, visitor, campaign_id)
    return shared(request, visitor, campaign_id, lambda: _look(request, runtime, visitor, campaign_id))


def _look(request: Request, runtime: Runtime, visitor: Visitor, campaign_id: int) -> Response:
    with runtime.engine.connect() as connection:
        try:
            shown = summary.show(connection, campaign_id)
        except NoCampaign:
            return _loading(request, connection, campaign_id)
        values = _live(connection, runtime.settings, shown, visitor)
    if request.query_params.get("loading"):
        return Response(headers={**secure(request), "HX-Refresh": "true"})
    return show(request, "campaign_live.html", **values)


def _live(connection: Connection, settings: Settings, shown: Summary, visitor: Visitor) -> dict[str, Any]:
    coming = progress(connection, settings, shown)
    unseen = None if shown.state in _OVER or shown.state == "draft" else workers_seen.complaint(connection)
    own = settings.approval == "two" and str(visitor.user.actor) in approval.prepared_by(connection, shown.campaign_id)
    return {
        "it": shown,
        "parts": of_summary(shown),
        "statuses": [(name, shown.counts[name], OF_STATUS[name]) for name in _in_order(shown.counts)],
        "retryable": [code for code in shown.result_codes if code < 0 and code not in OPT_OUT_CODES],
        "progress": coming,
        "why": words.waiting(waits.wait(settings, shown)),
        "said": worded("{done} of {all} final", done=number(shown.final), all=number(shown.messages)),
        "chart": _chart(connection, shown),
        "events": audit_trail.last_of_campaign(connection, shown.campaign_id, _EVENTS),
        "action_word": action_words.action,
        "left_out_word": words.left_out,
        "unseen": unseen,
        "warnings": [] if shown.state in _OVER else no_llame.warnings(connection, shown.intent),
        "own": own,
        "again_in": again_in(shown, datetime.now(UTC)),
    }


def _in_order(counts: dict[str, int]) -> list[str]:
    return sorted(counts, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


def again_in(shown: Summary, now: datetime) -> int | None:
    """Seconds until the next look: soon at first, seldom for one that goes on for long, never once it is over."""
    if shown.state in _OVER and shown.final == shown.messages:
        return None
    if shown.state in ("draft", "cancelled"):
        return 10
    age = now - (shown.started_at or shown.created_at)
    return 2 if age < timedelta(minutes=2) else 5 if age < timedelta(minutes=15) else 10


def _chart(connection: Connection, shown: Summary) -> dict[str, Any] | None:
    found = pace.pace(connection, shown.campaign_id) if shown.started_at is not None else None
    if found is None or not any(found.sent):
        return None
    most = max(found.sent)
    label = worded(
        "Handed in and settled messages from {since} to {until}, in steps of {minutes} min; at most {most} in one step",
        since=moment(found.begins),
        until=moment(found.ends),
        minutes=found.minutes,
        most=number(most),
    )
    # A single step would be a point: it begins at nothing.
    series = [(kind, [0, *values]) for kind, values in (("sent", found.sent), ("settled", found.settled))]
    return {"drawn": charts.line(series, label), "pace": found, "most": most}


def _loading(request: Request, connection: Connection, campaign_id: int) -> Response:
    waiting = request_intake.reserved(connection, campaign_id)
    if waiting is None:
        raise NoCampaign(str(campaign_id))
    if waiting.error is not None and is_fragment(request):
        return Response(headers={**secure(request), "HX-Refresh": "true"})
    template = "campaign_loading_live.html" if is_fragment(request) else "campaign_loading.html"
    return show(
        request,
        template,
        200 if waiting.error is None else 410,
        number=campaign_id,
        error=waiting.error,
        since=waiting.created_at,
        preparation=preparations.number_of(waiting.idempotency_key),
        again_in=_LOADING_AGAIN,
    )


def _done(name: str, shown: Summary) -> str:
    """What was just done, in a sentence; also when it was done by somebody else meanwhile."""
    now = worded("It is {state} now.", state=state_word(shown.state))
    known = {
        "pause": translated("Paused."),
        "resume": translated("Resumed."),
        "cancel": translated("Cancelled."),
        "send": translated("Released."),
        "retry": translated("This is the draft: look at it, then release it."),
        "resolved": translated("Decided."),
        "meanwhile": translated("Nothing was changed: somebody was faster, or it went on meanwhile.") + " " + now,
    }
    said = known.get(name, "")
    if name in ("pause", "cancel") and shown.in_flight:
        said += " " + flying(shown)
    return said


def flying(shown: Summary) -> str:
    """How much is being handed over at this moment."""
    return counted(
        shown.in_flight,
        "{n:,} block is being handed over just now: it cannot be called back, and its results still come in.",
        "{n:,} blocks are being handed over just now: they cannot be called back, and their results still come in.",
    )


def back(request: Request, campaign_id: int, done: str) -> Response:
    """To the campaign, which says what was done."""
    return go(request, f"/campaigns/{campaign_id}", done=done)
