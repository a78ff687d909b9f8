"""Release, pause, resume, cancel, retry: each asks first, with the number concerned and what is in flight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.campaigns import approval, lifecycle, messages, reason_words, summary
from dispatcher.campaigns.approval import OwnWork
from dispatcher.campaigns.lifecycle import Halted, WrongState
from dispatcher.campaigns.messages import Filters
from dispatcher.campaigns.progress import progress
from dispatcher.campaigns.summary import Summary
from dispatcher.db.storable import storable
from dispatcher.errors import UsageError
from dispatcher.i18n import terms
from dispatcher.i18n.words import counted, translated, worded
from dispatcher.runtime import Runtime
from dispatcher.web.page.campaign import back, flying
from dispatcher.web.page.forms import Form
from dispatcher.web.page.routing import FormOf, RuntimeOf, VisitorOf, needs, page_router
from dispatcher.web.page.show import moment, show
from dispatcher.web.page.typed import whole_number

routes = page_router()

_PATIENCE = 5.0
"""Seconds that a click waits for what is in flight; the page says how much is left."""
_TEXTS = 3


@routes.get("/campaigns/{campaign_id:int}/send", **needs(Role.SENDER))
def ask_send(request: Request, runtime: RuntimeOf, visitor: VisitorOf, campaign_id: int) -> Response:
    """What will go out, when, and its first texts."""
    it = _shown(runtime, campaign_id)
    if it.state != "draft":
        return back(request, campaign_id, "meanwhile")
    with runtime.engine.connect() as connection:
        coming = progress(connection, runtime.settings, it)
        own = str(visitor.user.actor) in approval.prepared_by(connection, campaign_id)
        texts = messages.page(connection, campaign_id, Filters(status="pending"), 0, _TEXTS)
    n = it.counts.get("pending", 0)
    begins = worded("They begin on {at}.", at=moment(it.start_at)) if it.start_at else translated("They begin at once.")
    hours = worded("Messages go out in these hours: {window}.", window=runtime.settings.window)
    ends = worded("It ends about {at}.", at=moment(coming.ends_about)) if coming.ends_about else ""
    refused = ""
    if own and runtime.settings.approval == "two":
        refused = translated("You prepared it: somebody else must release it.")
    return _ask(
        request,
        it,
        "send",
        question=counted(n, "Release {n:,} message?", "Release {n:,} messages?"),
        follows=[f"{begins} {hours} {ends}".strip(), _left_out(it)],
        button=counted(n, "Send {n:,} message", "Send {n:,} messages"),
        texts=[each._mapping for each in texts],
        refused=refused,
    )


@routes.post("/campaigns/{campaign_id:int}/send", **needs(Role.SENDER))
def send(request: Request, runtime: RuntimeOf, campaign_id: int) -> Response:
    """Release a draft."""

    def release() -> Halted:
        return lifecycle.send(runtime.engine, runtime.settings, campaign_id)

    return _do(request, runtime, campaign_id, "send", release, tick=True)


@routes.get("/campaigns/{campaign_id:int}/pause", **needs(Role.OPERATOR))
def ask_pause(request: Request, runtime: RuntimeOf, campaign_id: int) -> Response:
    """How many would wait."""
    it = _shown(runtime, campaign_id)
    if it.state not in ("scheduled", "running"):
        return back(request, campaign_id, "meanwhile")
    n = it.counts.get("pending", 0)
    follows = counted(
        n,
        "{n:,} message was not handed in yet: it waits until somebody resumes the campaign.",
        "{n:,} messages were not handed in yet: they wait until somebody resumes the campaign.",
    )
    return _ask(
        request,
        it,
        "pause",
        question=translated("Pause this campaign?"),
        follows=[follows, _flying(it)],
        button=translated("Pause"),
        asks_why=True,
    )


@routes.post("/campaigns/{campaign_id:int}/pause", **needs(Role.OPERATOR))
def pause(request: Request, runtime: RuntimeOf, visitor: VisitorOf, form: FormOf, campaign_id: int) -> Response:
    """Stop sending until it is resumed."""
    return _stop(request, runtime, campaign_id, "pause", lifecycle.pause, _why(form, f"paused by {visitor.user.actor}"))


@routes.get("/campaigns/{campaign_id:int}/resume", **needs(Role.SENDER))
def ask_resume(request: Request, runtime: RuntimeOf, campaign_id: int) -> Response:
    """How many would go on, and why it was paused."""
    it = _shown(runtime, campaign_id)
    if it.state != "paused":
        return back(request, campaign_id, "meanwhile")
    n = it.counts.get("pending", 0)
    paused = worded("It was paused: {why}.", why=(reason_words.why(it.reason) or "–").rstrip("."))
    canary = translated(
        "If the canary or the reject rate paused it, the rest goes without a canary, and rejections are counted anew."
    )
    return _ask(
        request,
        it,
        "resume",
        question=counted(n, "Go on with {n:,} message?", "Go on with {n:,} messages?"),
        follows=[paused, canary, _flying(it)],
        button=counted(n, "Send {n:,} message", "Send {n:,} messages"),
    )


@routes.post("/campaigns/{campaign_id:int}/resume", **needs(Role.SENDER))
def resume(request: Request, runtime: RuntimeOf, campaign_id: int) -> Response:
    """Go on after a pause."""
    return _do(
        request, runtime, campaign_id, "resume", lambda: lifecycle.resume(runtime.engine, campaign_id), tick=True
    )


@routes.get("/campaigns/{campaign_id:int}/cancel", **needs(Role.OPERATOR))
def ask_cancel(request: Request, runtime: RuntimeOf, campaign_id: int) -> Response:
    """How many would never go out."""
    it = _shown(runtime, campaign_id)
    if it.state not in ("draft", "scheduled", "running", "paused"):
        return back(request, campaign_id, "meanwhile")
    n = it.counts.get("pending", 0)
    follows = counted(
        n,
        "{n:,} message was not handed in yet: it will never be sent. This cannot be undone.",
        "{n:,} messages were not handed in yet: they will never be sent. This cannot be undone.",
    )
    return _ask(
        request,
        it,
        "cancel",
        question=translated("Cancel this campaign for good?"),
        follows=[follows, _flying(it)],
        button=counted(n, "Cancel {n:,} message", "Cancel {n:,} messages"),
        asks_why=True,
        dangerous=True,
    )


@routes.post("/campaigns/{campaign_id:int}/cancel", **needs(Role.OPERATOR))
def cancel(request: Request, runtime: RuntimeOf, visitor: VisitorOf, form: FormOf, campaign_id: int) -> Response:
    """Stop it for good."""
    why = _why(form, f"cancelled by {visitor.user.actor}")
    return _stop(request, runtime, campaign_id, "cancel", lifecycle.cancel, why)


@routes.get("/campaigns/{campaign_id:int}/retry", **needs(Role.SENDER))
def ask_retry(request: Request, runtime: RuntimeOf, campaign_id: int, code: str = "") -> Response:
    """How many have this code, and what comes of them."""
    it, wanted = _shown(runtime, campaign_id), whole_number(code) or 0
    n = it.result_codes.get(wanted, 0)
    if not n or wanted >= 0:
        return back(request, campaign_id, "meanwhile")
    follows = [
        terms.meaning(wanted),
        translated("They become a new draft, which somebody looks at and releases; nothing is sent now."),
        translated("Who opted out meanwhile is left out, and so is who is in another such draft already."),
    ]
    return _ask(
        request,
        it,
        "retry",
        question=counted(
            n,
            "Retry the {n:,} message that failed with {{code}}?",
            "Retry the {n:,} messages that failed with {{code}}?",
        ).format(code=wanted),
        follows=follows,
        button=translated("Make the draft"),
        fields={"code": wanted},
    )


@routes.post("/campaigns/{campaign_id:int}/retry", **needs(Role.SENDER))
def retry(request: Request, runtime: RuntimeOf, form: FormOf, campaign_id: int) -> Response:
    """Make a draft of the messages with a code."""
    from dispatcher.campaigns import retrying  # polars comes with it

    it, code = _shown(runtime, campaign_id), whole_number(form.text("code")) or 0
    try:
        made = retrying.draft(runtime.engine, runtime.settings, campaign_id, codes=[code])
    except retrying.NothingRejected:
        words = translated("All of them are in another draft already, opted out, or have another result meanwhile.")
    except UsageError as error:
        words = str(error)
    else:
        return back(request, int(made.campaign_id or 0), "retry")
    return _refused(request, it, words)


def _shown(runtime: Runtime, campaign_id: int) -> Summary:
    with runtime.engine.connect() as connection:
        return summary.show(connection, campaign_id)


def _stop(
    request: Request, runtime: Runtime, campaign_id: int, name: str, move: Callable[..., Halted], why: str
) -> Response:
    return _do(
        request, runtime, campaign_id, name, lambda: move(runtime.engine, campaign_id, wait=_PATIENCE, reason=why)
    )


def _do(
    request: Request, runtime: Runtime, campaign_id: int, name: str, move: Callable[[], Halted], *, tick: bool = False
) -> Response:
    try:
        move()
    except WrongState:
        return back(request, campaign_id, "meanwhile")
    except OwnWork as error:
        return _refused(request, _shown(runtime, campaign_id), str(error))
    if tick:
        request.app.state.hints.tick()
    return back(request, campaign_id, name)


def _refused(request: Request, it: Summary, words: str) -> Response:
    return _ask(request, it, "", 422, question=translated("That is not possible"), follows=[], button="", refused=words)


def _ask(request: Request, it: Summary, action: str, status: int = 200, /, **values: Any) -> Response:
    plain = {"texts": [], "refused": "", "fields": {}, "asks_why": False, "dangerous": False}
    shown = {**plain, **values, "follows": [each for each in values["follows"] if each]}
    return show(request, "campaign_confirm.html", status, it=it, action=action, **shown)


def _why(form: Form, otherwise: str) -> str:
    return storable(form.text("why"))[:200] or otherwise


def _flying(it: Summary) -> str:
    return flying(it) if it.in_flight else translated("Nothing is being handed over just now.")


def _left_out(it: Summary) -> str:
    n = sum(it.left_out.values())
    if not n:
        return ""
    return counted(n, "{n:,} message more is left out.", "{n:,} messages more are left out.")
