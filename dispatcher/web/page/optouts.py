"""The lists of who gets nothing: opt-outs, and numbers that cannot be reached; a file can be added to the first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated
from dispatcher.runtime import Runtime
from dispatcher.suppression import do_not_send, optouts
from dispatcher.suppression.do_not_send import Undeliverable
from dispatcher.suppression.optouts import OptOut
from dispatcher.web.page import optout_files
from dispatcher.web.page.failures import without_commands
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from dispatcher.web.page.sealed import opened, seal
from dispatcher.web.page.show import show

routes = page_router()

_SHOWN = 50


@routes.get("/optouts", **needs(Role.OPERATOR))
def listing(
    request: Request, runtime: RuntimeOf, before: str = "", unreachable_before: str = "", said: str = ""
) -> Response:
    """Both lists, the newest first, each with its own pages."""
    words = translated("The number is on the list.") if said == "out" else ""
    return _page(request, runtime, before, unreachable_before, said=words)


@routes.post("/optouts/file", **needs(Role.OPERATOR))
def take_file(request: Request, runtime: RuntimeOf, form: FormOf) -> Response:
    """Opt out every number of a file; one that is only looked at is kept, so that it need not be chosen twice."""
    try:
        name, done, kept = optout_files.take(runtime, form)
    except UsageError as error:
        return _page(request, runtime, status=422, error=f"{error} {without_commands(error.hint)}".strip())
    typed = {each: form.text(each) for each in optout_files.FIELDS}
    return show(request, "optouts_imported.html", done=done, looked=form.has("look"), name=name, kept=kept, typed=typed)


def _page(
    request: Request,
    runtime: Runtime,
    before: str = "",
    unreachable_before: str = "",
    status: int = 200,
    *,
    error: str = "",
    said: str = "",
) -> Response:
    with runtime.engine.connect() as connection:
        found = optouts.listing(connection, _SHOWN + 1, _place(request, before), None)
        unreachable = do_not_send.listing(connection, _SHOWN + 1, _place(request, unreachable_before))
    return show(
        request,
        "optouts.html",
        status,
        optouts=found[:_SHOWN],
        unreachable=unreachable[:_SHOWN],
        next=_after(request, found),
        next_unreachable=_after(request, unreachable),
        before=before,
        unreachable_before=unreachable_before,
        error=error,
        said=said,
    )


def _after(request: Request, found: Sequence[OptOut | Undeliverable]) -> str | None:
    """The place where the next page begins; None when this one is the last."""
    last = found[_SHOWN - 1] if len(found) > _SHOWN else None
    return seal(request, f"{last.since.isoformat()} {last.number}") if last else None


def _place(request: Request, before: str) -> tuple[datetime, str] | None:
    at, _, number = (opened(request, before) or "").rpartition(" ")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (moment, number) if moment.tzinfo is not None and number.isdigit() and number.isascii() else None
