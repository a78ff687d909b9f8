"""What people answered: the new ones first, BAJA marked, those to be looked at; answered and done in place."""

from __future__ import annotations

import secrets
import tempfile
from datetime import datetime
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.campaigns import export
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.replies import handling
from dispatcher.replies.handling import Wanted
from dispatcher.runtime import Runtime
from dispatcher.single_messages import send
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from dispatcher.web.page.show import go, secure, show
from dispatcher.web.page.typed import whole_number
from schemas.single import SingleMessage

routes = page_router()

_SHOWN = 50
_KINDS = ("optout", "review", "reply")
_STATES = ("new", "answered", "done")
_LONGEST = 160


@routes.get("/replies", **needs(Role.OPERATOR))
def listing(
    request: Request,
    runtime: RuntimeOf,
    kind: str = "",
    state: str = "new",
    campaign: str = "",
    before: str = "",
    said: str = "",
) -> Response:
    """Replies, the newest first; by default those that nobody has dealt with."""
    asked = {"kind": kind if kind in _KINDS else "", "state": state if state in _STATES else ""}
    wanted = Wanted(
        kind=asked["kind"] or None,
        state=asked["state"] or None,  # type: ignore[arg-type]  # one of _STATES
        campaign_id=whole_number(campaign),
        before=_place(before),
    )
    with runtime.engine.connect() as connection:
        found = list(handling.listing(connection, _SHOWN + 1, wanted))
    last = found[_SHOWN - 1] if len(found) > _SHOWN else None
    return show(
        request,
        "replies.html",
        replies=found[:_SHOWN],
        asked={**asked, "campaign": whole_number(campaign) or ""},
        kinds=_KINDS,
        states=_STATES,
        next=f"{last.received_at.isoformat()} {last.reply_id}" if last else None,
        said={"done": translated("Done."), "answered": translated("The answer was sent.")}.get(said, ""),
    )


@routes.get("/replies.csv", **needs(Role.OPERATOR))
def download(request: Request, runtime: RuntimeOf, campaign: str = "") -> Response:
    """Every reply, or those to a campaign, as a CSV."""
    with tempfile.TemporaryDirectory(prefix="dispatcher-replies-") as folder:
        path = Path(folder) / "respuestas.csv"
        separator = runtime.settings.csv_divider
        export.write_inbox(runtime.engine, "csv", path, whole_number(campaign), separator=separator)
        content = path.read_bytes()
    headers = {**secure(request), "Content-Disposition": 'attachment; filename="respuestas.csv"'}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


@routes.get("/replies/{reply_id:int}", **needs(Role.OPERATOR))
def one(request: Request, runtime: RuntimeOf, reply_id: int) -> Response:
    """One reply, with the form for an answer."""
    return _one(request, runtime, reply_id)


@routes.post("/replies/{reply_id:int}/done", **needs(Role.OPERATOR))
def finish(request: Request, runtime: RuntimeOf, reply_id: int, form: FormOf) -> Response:
    """Nothing is left to do about it."""
    with runtime.engine.begin() as connection:
        handling.done(connection, reply_id)
    return go(request, "/replies", said="done", kind=form.text("kind"), state=form.text("state"))


@routes.post("/replies/{reply_id:int}/answer", **needs(Role.SENDER))
def answer(request: Request, runtime: RuntimeOf, reply_id: int, form: FormOf) -> Response:
    """Send a text to who wrote it, now; sent twice, the form sends once."""
    text = form.raw("text").strip()
    if not text:
        return _one(request, runtime, reply_id, error=translated("Write the text."))
    if len(text) > _LONGEST:
        return _one(request, runtime, reply_id, typed=text, error=translated("The text is too long."))
    with runtime.engine.connect() as connection:
        found = handling.find(connection, reply_id)
    idinterno = send.idinterno_of_key(runtime, f"answer {reply_id}", form.text("once")[:100] or None)
    own = Runtime(runtime.settings)  # a session of the provider belongs to one thread
    try:
        sent = send.send(own, SingleMessage(number=found.number, text=text, idinterno=idinterno))
    except UsageError as error:
        return _one(request, runtime, reply_id, typed=text, error=str(error))
    finally:
        own.close()
    if not sent.good:
        why = worded("The answer was not accepted: {why}", why=sent.text)
        return _one(request, runtime, reply_id, typed=text, error=why)
    with runtime.engine.begin() as connection:
        handling.answered(connection, reply_id)
    return go(request, "/replies", said="answered")


def _one(request: Request, runtime: Runtime, reply_id: int, *, typed: str = "", error: str = "") -> Response:
    with runtime.engine.connect() as connection:
        found = handling.find(connection, reply_id)
    status = 422 if error else 200
    once = secrets.token_hex(16)
    return show(request, "reply.html", status, it=found, typed=typed, error=error, most=_LONGEST, once=once)


def _place(before: str) -> tuple[datetime, int] | None:
    """The reply after which the page begins, as its link says."""
    at, _, number = before.rpartition(" ")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    known = whole_number(number)
    return None if known is None or moment.tzinfo is None else (moment, known)
