"""The lists of who gets nothing: opt-outs, and numbers that cannot be reached; a file can be added to the first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import Response

from dispatcher import audit_trail
from dispatcher.access.roles import Role
from dispatcher.db.transactions import take_time
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.i18n.words import translated
from dispatcher.runtime import Runtime
from dispatcher.suppression import do_not_send, optouts
from dispatcher.suppression.do_not_send import Undeliverable
from dispatcher.suppression.optouts import OptOut
from dispatcher.web.page.failures import without_commands
from dispatcher.web.page.forms import Form
from dispatcher.web.page.routing import FormOf, RuntimeOf, VisitorOf, needs, page_router
from dispatcher.web.page.show import show

if TYPE_CHECKING:
    from dispatcher.suppression.optout_import import Imported  # polars comes with it

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
def take_file(request: Request, runtime: RuntimeOf, visitor: VisitorOf, form: FormOf) -> Response:
    """Opt out every number of a file: look first, then do it."""
    if form.file is None or not form.file.size:
        return _page(request, runtime, status=422, error=translated("Choose a file."))
    try:
        done = _load(runtime, visitor.user.name, form, only_look=form.has("look"))
    except UsageError as error:
        return _page(request, runtime, status=422, error=f"{error} {without_commands(error.hint)}".strip())
    return show(request, "optouts_imported.html", done=done, looked=form.has("look"), name=form.file.name)


def _load(runtime: Runtime, who: str, form: Form, *, only_look: bool) -> Imported:
    # Polars comes with them, which starts threads when it is imported: no process may have it before it forks.
    from dispatcher.ingest import Reading, open_source
    from dispatcher.suppression import optout_import

    assert form.file is not None
    settings = runtime.settings
    reason = form.text("reason")[:500] or f"by user {who}"
    column, area = form.text("to_column")[:200] or None, form.text("area")[:10] or None
    reading = Reading(to_column=column, unpacked_max=settings.unpacked_max)
    source = open_source(form.file.content, name=form.file.name, spool=spool(settings.home), reading=reading)
    with runtime.engine.connect() as connection, connection.begin() as transaction:
        take_time(connection)
        done = optout_import.load(connection, source, settings.country, reason, column, area)
        if only_look:
            transaction.rollback()
        else:
            audit_trail.record(connection, "optout.import", reason=reason, detail={"added": done.added})
    return done


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
        found = optouts.listing(connection, _SHOWN + 1, _place(before), None)
        unreachable = do_not_send.listing(connection, _SHOWN + 1, _place(unreachable_before))
    return show(
        request,
        "optouts.html",
        status,
        optouts=found[:_SHOWN],
        unreachable=unreachable[:_SHOWN],
        next=_after(found),
        next_unreachable=_after(unreachable),
        before=before,
        unreachable_before=unreachable_before,
        error=error,
        said=said,
    )


def _after(found: Sequence[OptOut | Undeliverable]) -> str | None:
    """The place where the next page begins; None when this one is the last."""
    last = found[_SHOWN - 1] if len(found) > _SHOWN else None
    return f"{last.since.isoformat()} {last.number}" if last else None


def _place(before: str) -> tuple[datetime, str] | None:
    at, _, number = before.rpartition(" ")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (moment, number) if moment.tzinfo is not None and number.isdigit() and number.isascii() else None
