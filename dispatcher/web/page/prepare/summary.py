"""The last look, and the button that says what it does. Pressed twice, it makes one campaign."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from babel.dates import format_datetime
from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.campaigns import preparations, request_intake
from dispatcher.campaigns.list_checks import Check
from dispatcher.campaigns.plan import Plan, plan
from dispatcher.campaigns.preparations import ChangedMeanwhile, Preparation
from dispatcher.domain.window import provider_local
from dispatcher.errors import UsageError
from dispatcher.i18n.words import counted, current, translated, worded
from dispatcher.runtime import Runtime
from dispatcher.suppression import no_llame
from dispatcher.web.page.prepare import steps
from dispatcher.web.page.prepare.check import checked, sending, spec_of
from dispatcher.web.page.prepare.steps import PreparationId
from dispatcher.web.page.prepare.when import hours_of, marks
from dispatcher.web.page.routing import FormOf, RuntimeOf, Visitor, VisitorOf, needs, page_router
from dispatcher.web.page.show import go, number

routes = page_router()

_HANDING_IN = timedelta(seconds=30)
"""How long the button may take, at most, to hand the campaign in."""


@routes.get("/prepare/{preparation}/summary", **needs(Role.OPERATOR))
def show_summary(request: Request, runtime: RuntimeOf, visitor: VisitorOf, preparation: PreparationId) -> Response:
    """The last look."""
    return _page(request, runtime, visitor, steps.known(runtime, preparation))


@routes.post("/prepare/{preparation}/create", **needs(Role.OPERATOR))
def create(
    request: Request, runtime: RuntimeOf, visitor: VisitorOf, form: FormOf, preparation: PreparationId
) -> Response:
    """Make the campaign: to be sent, or a draft that somebody else releases."""
    it = steps.known(runtime, preparation)
    if it.request_key is not None:
        return steps.to_step(request, "made", it)
    _, check = checked(request, runtime, it)
    if check.report is None or not sending(check.report):
        return steps.to_step(request, "check", it)
    may_send = may_release(runtime, visitor)
    draft = form.has("draft") or not may_send
    try:
        plan(runtime.settings, spec_of(it), check.report)
        with runtime.engine.begin() as connection:
            preparations.requested(connection, it, steps.version_of(form))
    except ChangedMeanwhile as error:
        return _page(request, runtime, visitor, steps.known(runtime, preparation), 409, **steps.collision(error))
    except UsageError as error:
        it = steps.known(runtime, preparation)
        if it.request_key is not None:  # the second of two clicks
            return steps.to_step(request, "made", it)
        return _page(request, runtime, visitor, it, 422, error=str(error))
    if (other := _hand_in(request, runtime, it, draft=draft)) is not None:
        return steps.step(request, "refused", it, 409, why=other)
    return steps.to_step(request, "made", it)


@routes.get("/prepare/{preparation}/made", **needs(Role.OPERATOR))
def made(request: Request, runtime: RuntimeOf, preparation: PreparationId) -> Response:
    """Where the campaign is; when its list was refused after all, why, and the way back."""
    it = steps.known(runtime, preparation)
    if it.request_key is None:
        return steps.to_step(request, "summary", it)
    outcome = request_intake.outcome(runtime.engine, it.key)
    if outcome is None:
        # The other one of two clicks still hands it in; or the listener died meanwhile, and it may be pressed again.
        if preparations.reopen(runtime.engine, it.id, after=_HANDING_IN):
            return steps.to_step(request, "summary", it)
        return steps.step(request, "waiting", it)
    if outcome.state in ("refused", "failed"):
        preparations.reopen(runtime.engine, it.id)
        it = steps.known(runtime, preparation)
        return steps.step(request, "refused", it, 422, why=outcome.error or "")
    return go(request, f"/campaigns/{outcome.campaign_id}")


def may_release(runtime: Runtime, visitor: Visitor) -> bool:
    """Whether who prepares may also release: the role allows it, and nobody else must look first."""
    return visitor.may("sender") and runtime.settings.approval == "one"


def _hand_in(request: Request, runtime: Runtime, it: Preparation, *, draft: bool) -> str | None:
    """Hand it in; returns why not, when a campaign was made of it as it was before."""
    spec = {name: value for name, value in it.spec.items() if name != "draft"}
    repeats = {} if spec.get("again") else {"refuse_repeats": True}
    payload = {**spec, **repeats, "draft": draft, "upload_id": it.upload_id, "idempotency_key": it.key}
    outcome = request_intake.receive(runtime.engine, runtime.settings, payload, load=False)
    if outcome.state == "other_payload":
        return translated("A campaign was made of this form already.")
    request.app.state.hints.load_request(it.key)
    return None


def _page(
    request: Request, runtime: Runtime, visitor: Visitor, it: Preparation, status: int = 200, **more: Any
) -> Response:
    if it.request_key is not None:
        return steps.to_step(request, "made", it)
    it, check = checked(request, runtime, it)
    if check.report is None or not sending(check.report):
        return steps.to_step(request, "check", it)
    spec = spec_of(it)
    try:
        would = plan(runtime.settings, spec, check.report)
    except UsageError as error:
        return steps.step(
            request, "summary", it, 422, plan=None, **{"error": str(error), **_words(check, None, it), **more}
        )
    line = {"hours": hours_of(runtime.settings, spec, would), "marks": marks(would)}
    with runtime.engine.connect() as connection:
        registry = no_llame.warnings(connection, spec.intent)
    shown = {
        "plan": would,
        "line": line,
        "registry": registry,
        "may_send": may_release(runtime, visitor),
        **_words(check, would, it),
    }
    return steps.step(request, "summary", it, status, **{**shown, **more})


def _words(check: Check, would: Plan | None, it: Preparation) -> dict[str, Any]:
    assert check.report is not None
    n = sending(check.report)
    starts = spec_of(it).start is not None
    button = counted(n, "Send {n:,} message now", "Send {n:,} messages now")
    if would is not None and starts:
        button = worded(
            counted(n, "Send {n:,} message on {{at}}", "Send {n:,} messages on {{at}}"), at=spoken(would.begins)
        )
    left_out = int(check.report["suppressed"])
    return {
        "button": button,
        "n": number(n),
        "left_out": left_out,
        "invalid": int(check.report["invalid"]),
        "sample": check.report["samples"][0] if check.report["samples"] else None,
        "begins": spoken(would.begins) if would is not None else "",
        "ends": spoken(would.ends) if would is not None else "",
    }


def spoken(moment: datetime) -> str:
    """A moment as people say it: martes 1 de diciembre a las 9:00."""
    local = provider_local(moment)
    form = "EEEE d 'de' MMMM 'a las' H:mm" if current() == "es" else "EEEE, d MMMM 'at' H:mm"
    return format_datetime(local.replace(tzinfo=None), form, locale="es_AR" if current() == "es" else "en_GB")
