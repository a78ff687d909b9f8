"""One person by the number, in any form: messages, replies, opt-outs, on one line of time; opt out, opt in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from dispatcher import audit_trail
from dispatcher.access.roles import Role
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated
from dispatcher.people import history
from dispatcher.people.history import Person
from dispatcher.runtime import Runtime
from dispatcher.suppression import do_not_send, optouts
from dispatcher.web.page.routing import FormOf, RuntimeOf, VisitorOf, needs, page_router
from dispatcher.web.page.sealed import opened, seal
from dispatcher.web.page.show import go, show

routes = page_router()

_MOST = 200


@routes.post("/people", **needs(Role.OPERATOR))
def search(request: Request, runtime: RuntimeOf, form: FormOf) -> Response:
    """Find somebody by the number in any form, which does not stand in the address of the page that shows it."""
    written = form.text("number")[:100]
    if not written:
        return go(request, "/people")
    try:
        national = optouts.national(written, runtime.settings.country)
    except UsageError as error:
        return show(request, "people.html", 422, number=written, person=None, events=[], error=str(error), said="")
    return go(request, "/people", who=seal(request, national))


@routes.get("/people", **needs(Role.OPERATOR))
def person(request: Request, runtime: RuntimeOf, who: str = "", said: str = "") -> Response:
    """The form, and who was searched for."""
    national = opened(request, who) if who else None
    if national is None:
        lost = translated("Search again: only the session that searched knows for whom.") if who else ""
        return show(request, "people.html", number="", person=None, events=[], error="", said=lost)
    with runtime.engine.connect() as connection:
        found = history.find(connection, national, _MOST)
    words = {
        "out": translated("The number is on the opt-out list."),
        "in": translated("The number may get messages again."),
        "reachable": translated("The number is off the do-not-send list."),
    }
    shown = {"number": national, "person": found, "events": _events(found), "error": ""}
    return show(request, "people.html", **shown, said=words.get(said, ""))


@routes.post("/people/out", **needs(Role.OPERATOR))
def opt_out(request: Request, runtime: RuntimeOf, visitor: VisitorOf, form: FormOf) -> Response:
    """Put the number on the opt-out list."""
    written = form.text("number")[:100]
    try:
        national, reason = _asked(runtime, visitor.user.name, written, form.text("reason"))
    except UsageError as error:
        given = {"number": written, "reason": form.text("reason")[:500], "error": str(error)}
        return show(request, "people.html", 422, person=None, events=[], said="", adding=True, **given)
    with runtime.engine.begin() as connection:
        if optouts.add(connection, national, source="operator", reason=reason) is not None:
            audit_trail.record(connection, "optout.add", reason=form.text("reason")[:500] or None)
    if form.text("back") == "/optouts":
        return go(request, "/optouts", said="out")
    return go(request, "/people", who=seal(request, national), said="out")


@routes.post("/people/in", **needs(Role.OPERATOR))
def opt_in(request: Request, runtime: RuntimeOf, visitor: VisitorOf, form: FormOf) -> Response:
    """Take the number off the opt-out list."""
    national, reason = _asked(runtime, visitor.user.name, form.text("number"), form.text("reason"))
    with runtime.engine.begin() as connection:
        if optouts.remove(connection, national, source="operator", reason=reason) is not None:
            audit_trail.record(connection, "optout.remove", reason=form.text("reason")[:500] or None)
    return go(request, "/people", who=seal(request, national), said="in")


@routes.post("/people/reachable", **needs(Role.OPERATOR))
def reachable(request: Request, runtime: RuntimeOf, form: FormOf) -> Response:
    """Take the number off the list of those that cannot be reached."""
    national = optouts.national(form.text("number")[:100], runtime.settings.country)
    with runtime.engine.begin() as connection:
        if do_not_send.remove(connection, national):
            audit_trail.record(connection, "undeliverable.remove", reason=form.text("reason")[:500] or None)
    return go(request, "/people", who=seal(request, national), said="reachable")


def _asked(runtime: Runtime, who: str, number: str, reason: str) -> tuple[str, str]:
    """The number in national digits; the reason that was given, else who asked."""
    return optouts.national(number[:100], runtime.settings.country), reason[:500] or f"by user {who}"


def _events(person: Person) -> list[dict[str, Any]]:
    """Everything about a person on one line of time, the newest first."""
    found: list[tuple[datetime, dict[str, Any]]] = [
        *((each.at, {"kind": "message", "it": each}) for each in person.messages),
        *((each.received_at, {"kind": "reply", "it": each}) for each in person.replies),
        *((each.at, {"kind": "optout", "it": each}) for each in person.optouts),
    ]
    return [{"at": at, **event} for at, event in sorted(found, key=lambda pair: pair[0], reverse=True)]
