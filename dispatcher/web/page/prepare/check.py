"""The check: how many go out, what is left out and why, which rows are invalid, before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import ValidationError

from dispatcher import audit_trail
from dispatcher.access.roles import Role
from dispatcher.campaigns import list_checks, preparations
from dispatcher.campaigns.list_checks import Check
from dispatcher.campaigns.preparations import ChangedMeanwhile, Preparation
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated
from dispatcher.runtime import Runtime
from dispatcher.web.page import downloads, words
from dispatcher.web.page.prepare import steps
from dispatcher.web.page.prepare.steps import PreparationId
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from dispatcher.web.page.show import show
from schemas.payload import CampaignSpec

routes = page_router()


@routes.get("/prepare/{number}/check", **needs(Role.OPERATOR))
def show_check(request: Request, runtime: RuntimeOf, number: PreparationId) -> Response:
    """What the check found; it begins when somebody first looks."""
    it = steps.known(runtime, number)
    if not it.spec.get("template"):
        return steps.to_step(request, "message", it)
    try:
        it, check = checked(request, runtime, it)
    except ChangedMeanwhile:
        it, check = checked(request, runtime, steps.known(runtime, number))
    return steps.step(request, "check", it, **_shown(check))


@routes.get("/prepare/{number}/check/live", **needs(Role.OPERATOR))
def live(request: Request, runtime: RuntimeOf, number: PreparationId) -> Response:
    """The same as a part of the page, while the check runs."""
    it, check = checked(request, runtime, steps.known(runtime, number))
    return show(request, "prepare_check_live.html", it=it, **_shown(check))


@routes.post("/prepare/{number}/check", **needs(Role.OPERATOR))
def go_on(request: Request, runtime: RuntimeOf, form: FormOf, number: PreparationId) -> Response:
    """Go on with the good rows; a list that repeats another campaign only if that is meant."""
    it = steps.known(runtime, number)
    it, check = checked(request, runtime, it)
    if check.report is None or not sending(check.report):
        return steps.to_step(request, "check", it)
    again = True if form.has("again") else None
    if check.report["repeats"] and again is None:
        error = translated("Say that the repetition is meant, or change the list.")
        return steps.step(request, "check", it, 422, **{**_shown(check), "error": error})
    try:
        steps.save(runtime, it, form, {"again": again})
    except ChangedMeanwhile as error:
        it, check = checked(request, runtime, steps.known(runtime, number))
        return steps.step(request, "check", it, 409, **_shown(check), **steps.collision(error))
    return steps.to_step(request, "when", it)


@routes.get("/prepare/{number}/invalid.csv", **needs(Role.OPERATOR))
def invalid(request: Request, runtime: RuntimeOf, number: PreparationId) -> Response:
    """Every invalid row as a CSV that can be mended and loaded again."""
    it = steps.known(runtime, number)

    def write(path: Path) -> None:
        made = list_checks.write_invalid(runtime.engine, runtime.settings, spec_of(it), it.upload_id, path.parent)
        made.replace(path)

    content = downloads.make(runtime, "csv", write)
    with runtime.engine.begin() as connection:
        audit_trail.record(connection, "upload.download", detail={"upload_id": it.upload_id, "invalid": True})
    return downloads.hand_over(request, "filas-invalidas.csv", content)


def checked(request: Request, runtime: Runtime, it: Preparation) -> tuple[Preparation, Check]:
    """The check of a preparation as it is; asked for when there is none."""
    with runtime.engine.connect() as connection:
        check = list_checks.find(connection, it.check_id) if it.check_id is not None else None
    if check is not None:
        return it, check
    check = list_checks.ask(runtime.engine, runtime.settings, spec_of(it), it.upload_id)
    with runtime.engine.begin() as connection:
        it = preparations.checked(connection, it, check.check_id)
    request.app.state.hints.check_list(check.check_id)
    with runtime.engine.connect() as connection:
        return it, list_checks.find(connection, check.check_id) or check


def spec_of(it: Preparation) -> CampaignSpec:
    """What was filled in, as a campaign takes it.

    Raises:
        UsageError: a field is none that a campaign has; it says which.
    """
    try:
        return CampaignSpec.model_validate(it.spec)
    except ValidationError as error:
        raise UsageError("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from None


def sending(report: dict[str, Any]) -> int:
    """How many of the messages go out."""
    return int(report["messages"]) - int(report["suppressed"])


def _shown(check: Check) -> dict[str, Any]:
    report = check.report
    return {
        "check": check,
        "report": report,
        "running": report is None and check.error is None,
        "sending": sending(report) if report else 0,
        "left_out_word": words.left_out,
        "reason_word": words.invalid,
    }
