"""What people answered: the new ones first, BAJA marked, those to be looked at; answered and done in place."""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response

from dispatcher import audit_trail
from dispatcher.access.roles import Role
from dispatcher.campaigns import export
from dispatcher.errors import ProviderError, UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.replies import handling
from dispatcher.replies.handling import Wanted
from dispatcher.runtime import Runtime
from dispatcher.single_messages import send
from dispatcher.web.page import downloads
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from dispatcher.web.page.show import go, show
from dispatcher.web.page.typed import LARGEST_ID, whole_number
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
    """Every reply, or those to a campaign, as a CSV; who took them is recorded."""
    campaign_id = whole_number(campaign)

    def write(path: Path) -> None:
        export.write_inbox(runtime.engine, "csv", path, campaign_id, separator=runtime.settings.csv_divider)

    made = downloads.make(runtime, "csv", write)
    with runtime.engine.begin() as connection:
        audit_trail.record(connection, "reply.download", detail={"campaign_id": campaign_id, "format": "csv"})
    return downloads.hand_over(request, "respuestas.csv", made)


@routes.get("/replies/{reply_id:int}", **needs(Role.OPERATOR))
def one(request: Request, runtime: RuntimeOf, reply_id: int) -> Response:
    """One reply, with the form for an answer."""
    return _one(request, runtime, reply_id)


@routes.post("/replies/{reply_id:int}/done", **needs(Role.OPERATOR))
def finish(request: Request, runtime: RuntimeOf, reply_id: int, form: FormOf) -> Response:
    """Nothing is left to do about it."""
    with runtime.engine.begin() as connection:
        handling.done(connection, _known(reply_id))
    filters = {name: form.text(name) for name in ("kind", "state", "campaign")}
    return go(request, "/replies", said="done", **filters)


@routes.post("/replies/{reply_id:int}/answer", **needs(Role.SENDER))
def answer(request: Request, runtime: RuntimeOf, reply_id: int, form: FormOf) -> Response:
    """Send a text to who wrote it, now; sent twice, the form sends once."""
    text, once = form.raw("text").strip(), form.text("once")[:100]
    if not text:
        return _one(request, runtime, reply_id, error=translated("Write the text."), once=once)
    if len(text) > _LONGEST:
        return _one(request, runtime, reply_id, typed=text, error=translated("The text is too long."), once=once)
    with runtime.engine.connect() as connection:
        found = handling.find(connection, _known(reply_id))
    idinterno = send.idinterno_of_key(runtime, f"answer {reply_id}", once or None)
    own = Runtime(runtime.settings)  # a session of the provider belongs to one thread
    try:
        sent = send.send(own, SingleMessage(number=found.number, text=text, idinterno=idinterno))
    except UsageError as error:
        return _one(request, runtime, reply_id, typed=text, error=str(error))
    except ProviderError:  # nothing went out
        nothing = translated("The provider gave no usable answer, and nothing went out. Try again in a minute.")
        return _one(request, runtime, reply_id, typed=text, error=nothing, once=once)
    finally:
        own.close()
    if unsure := _unsure(sent.status):
        return _one(request, runtime, reply_id, typed=text, error=unsure, once=once)
    if not sent.good:
        why = worded("The answer was not accepted: {why}", why=sent.text)
        return _one(request, runtime, reply_id, typed=text, error=why)
    with runtime.engine.begin() as connection:
        handling.answered(connection, reply_id)
    return go(request, "/replies", said="answered")


def _one(
    request: Request, runtime: Runtime, reply_id: int, *, typed: str = "", error: str = "", once: str = ""
) -> Response:
    """A reply and the form. `once` stays the same as long as a text that was sent under it may have gone out."""
    with runtime.engine.connect() as connection:
        found = handling.find(connection, _known(reply_id))
    status, once = 422 if error else 200, once or secrets.token_hex(16)
    return show(request, "reply.html", status, it=found, typed=typed, error=error, most=_LONGEST, once=once)


def _unsure(status: str) -> str:
    """What to know of an answer that may have gone out; empty for one of which we know."""
    if status == "sending":
        return translated("The answer is on its way. Look again in a moment.")
    if status == "unknown":
        return translated(
            "It is not known whether the answer went out; it is not sent again by itself. "
            "Look at the person's page before you write another one."
        )
    return ""


def _known(reply_id: int) -> int:
    """The id, or one that no reply has in place of a number that the database does not know."""
    return reply_id if reply_id <= LARGEST_ID else 0


def _place(before: str) -> tuple[datetime, int] | None:
    """The reply after which the page begins, as its link says."""
    at, _, number = before.rpartition(" ")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    known = whole_number(number)
    return None if known is None or moment.tzinfo is None else (moment, known)
