"""When it goes out, and how fast; the day's line shows the window and how long it takes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.campaigns.plan import Plan, plan
from dispatcher.campaigns.preparations import ChangedMeanwhile, Preparation
from dispatcher.campaigns.schedule import days_off
from dispatcher.config import Settings
from dispatcher.domain.days_off import HOLIDAYS
from dispatcher.domain.opening_hours import Hours
from dispatcher.domain.window import provider_local
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated
from dispatcher.runtime import Runtime
from dispatcher.web.page import words
from dispatcher.web.page.failures import without_commands
from dispatcher.web.page.forms import Form
from dispatcher.web.page.prepare import steps
from dispatcher.web.page.prepare.check import checked, spec_of
from dispatcher.web.page.prepare.steps import PreparationId
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from schemas.payload import CampaignSpec

routes = page_router()

_LONGEST_DAYS = 2_000
_MOST = {"rate": 1_000_000, "canary": 100_000}
_EMPTY = {
    **dict.fromkeys(("date", "time", "expires_date", "expires_time", "rate", "canary", "days"), ""),
    **{"when": "now", "priority": "normal", "test": False, "holidays": False},
}


@routes.get("/prepare/{number}/when", **needs(Role.OPERATOR))
def show_when(request: Request, runtime: RuntimeOf, number: PreparationId) -> Response:
    """The form for the time."""
    it = steps.known(runtime, number)
    return _page(request, runtime, it, _typed_before(it))


@routes.post("/prepare/{number}/when", **needs(Role.OPERATOR))
def save_when(request: Request, runtime: RuntimeOf, form: FormOf, number: PreparationId) -> Response:
    """Keep the time; one that does not exist is shown again, with why."""
    it = steps.known(runtime, number)
    typed = _typed(form)
    try:
        changes = _changes(typed)
        _, check = checked(request, runtime, it)
        if check.report is None:
            return steps.to_step(request, "check", it)
        spec = spec_of(it).model_copy(update=changes)
        plan(runtime.settings, spec, check.report)
        if form.has("look"):
            return _page(request, runtime, it, typed, spec_changes=changes)
        it = steps.save(runtime, it, form, changes)
    except ChangedMeanwhile as error:
        return _page(request, runtime, steps.known(runtime, number), typed, 409, notice=str(error))
    except UsageError as error:
        hint = without_commands(error.hint)
        return _page(request, runtime, it, typed, 422, error=f"{error} {hint}".strip())
    return steps.to_step(request, "summary", it)


def _typed(form: Form) -> dict[str, Any]:
    ticks = ("test", "holidays")
    texts = {name: form.text(name)[:20] for name in _EMPTY if name not in ticks}
    ticked = {name: form.has(name) for name in ticks}
    return {**texts, **ticked, "days": form.text("days")[:_LONGEST_DAYS]}


def _typed_before(it: Preparation) -> dict[str, Any]:
    spec = it.spec
    found: dict[str, Any] = dict(_EMPTY)
    if "start" in spec:
        found |= {"when": "at", "date": spec["start"][:10], "time": spec["start"][11:16]}
    if "expires" in spec:
        found |= {"expires_date": spec["expires"][:10], "expires_time": spec["expires"][11:16]}
    found |= {name: str(spec[name]) for name in ("rate", "canary", "priority") if name in spec}
    off = spec.get("not_on", ())
    days = ", ".join(day for day in off if day != HOLIDAYS)
    return {**found, "test": bool(spec.get("test")), "holidays": HOLIDAYS in off, "days": days}


def _changes(typed: dict[str, Any]) -> dict[str, Any]:
    """What was typed, as fields of a campaign.

    Raises:
        UsageError: a time or a number is none.
    """
    at = typed["when"] == "at"
    if at and not (typed["date"] and typed["time"]):
        raise UsageError(translated("Give the day and the time."))
    if bool(typed["expires_date"]) != bool(typed["expires_time"]):
        raise UsageError(translated("Give the day and the time of the end, or neither."))
    numbers = {name: _number(typed[name], most) for name, most in _MOST.items()}
    return {
        "start": f"{typed['date']} {typed['time']}:00" if at else None,
        "expires": f"{typed['expires_date']} {typed['expires_time']}:00" if typed["expires_date"] else None,
        "priority": typed["priority"] if typed["priority"] in ("high", "normal", "low") else "normal",
        "not_on": days_off([HOLIDAYS] * typed["holidays"] + [typed["days"]]).listed(),
        "test": True if typed["test"] else None,
        **numbers,
    }


def _number(typed: str, most: int) -> int | None:
    digits = typed.replace(".", "").replace(",", "")
    if not digits:
        return None
    if not digits.isascii() or not digits.isdigit() or not 0 < int(digits) <= most:
        raise UsageError(translated("A number of messages is a whole number above zero."))
    return int(digits)


def _page(
    request: Request,
    runtime: Runtime,
    it: Preparation,
    typed: dict[str, Any],
    status: int = 200,
    *,
    spec_changes: dict[str, Any] | None = None,
    **more: Any,
) -> Response:
    it, check = checked(request, runtime, it)
    if check.report is None:
        return steps.to_step(request, "check", it)
    spec = spec_of(it).model_copy(update=spec_changes or {})
    try:
        would: Plan | None = plan(runtime.settings, spec, check.report)
    except UsageError:
        would = None
    shown = {"typed": typed, "plan": would, "today": provider_local(datetime.now().astimezone()).date()}
    line = {"hours": hours_of(runtime.settings, spec, would), "marks": marks(would) if would else []}
    return steps.step(
        request, "when", it, status, window=words.hours(runtime.settings.sending_window), line=line, **{**shown, **more}
    )


def hours_of(settings: Settings, spec: CampaignSpec, would: Plan | None) -> Hours | None:
    """The hours of sending on the first day of the run; of today when there is none."""
    window = settings.sending_window.without(days_off(spec.not_on))
    return window.hours_on(provider_local(would.begins if would else datetime.now().astimezone()).date())


def marks(would: Plan) -> list[tuple[str, float, float]]:
    """The run on the line of its first day: hours from and to."""
    begins, ends = provider_local(would.begins), provider_local(would.ends)
    until = ends if ends.date() == begins.date() else begins.replace(hour=23, minute=59)
    return [("run", begins.hour + begins.minute / 60, until.hour + until.minute / 60)]
