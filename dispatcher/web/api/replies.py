"""`/replies`: what people wrote back, and what was done about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from dispatcher.access.scopes import Scope
from dispatcher.replies import handling
from dispatcher.replies.handling import Wanted
from dispatcher.runtime import Runtime
from dispatcher.single_messages import send
from dispatcher.suppression import optouts
from dispatcher.web.api.messages import SentMessage, shown
from dispatcher.web.api.pages import Page, PageWanted
from dispatcher.web.api.paths import AMoment
from dispatcher.web.api.problems import Problem
from dispatcher.web.api.routing import CallerOf, IdempotencyKeyOf, RuntimeOf, api_router, needs, require_scope
from schemas.single import SingleMessage

routes = api_router("Replies")

ReplyId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class Reply(BaseModel):
    """One reply. `kind`: optout (BAJA and nothing else), review (a word like it among others), reply."""

    model_config = ConfigDict(from_attributes=True)

    reply_id: int
    provider_id: int | None
    """ID SMS MASIVOS; null until a reply that was pushed has been pulled too."""
    number: str
    text: str
    received_at: datetime
    idinterno: str | None
    campaign_id: int | None
    seq: int | None
    kind: Literal["optout", "review", "reply"]
    state: Literal["new", "answered", "done"]
    answered_at: datetime | None
    answered_by: str | None
    done_at: datetime | None
    done_by: str | None


class Answer(BaseModel):
    """What to write back."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=5_000)]


@routes.get(
    "/replies",
    operation_id="list_replies",
    summary="List replies, the newest first",
    **needs(Scope.RESULTS_READ, "bad_cursor", "refused"),
)
def list_replies(
    runtime: RuntimeOf,
    page: PageWanted,
    kind: Annotated[Literal["optout", "review", "reply"] | None, Query()] = None,
    state: Annotated[Literal["new", "answered", "done"] | None, Query()] = None,
    campaign_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    number: Annotated[str | None, Query(max_length=100, description="In any written form.")] = None,
    since: Annotated[AMoment | None, Query(description="Only those received at this moment or later.")] = None,
) -> Page[Reply]:
    """Stored replies with what was done about them."""
    after = page.after(str, int)
    wanted = Wanted(
        kind=kind,
        state=state,
        campaign_id=campaign_id,
        number=optouts.national(number, runtime.settings.country) if number is not None else None,
        since=since,
        before=(_moment(after[0]), after[1]) if after else None,
    )
    with runtime.engine.connect() as connection:
        rows = handling.listing(connection, page.limit + 1, wanted)
    found = page.page(rows, lambda row: (row.received_at.isoformat(), row.reply_id), Reply.model_validate)
    return Page[Reply](**found)


@routes.get(
    "/replies/{reply_id}",
    operation_id="get_reply",
    summary="Show a reply",
    response_model=Reply,
    **needs(Scope.RESULTS_READ, "not_found"),
)
def get_reply(reply_id: ReplyId, runtime: RuntimeOf) -> Any:
    """One reply, as an event `reply.received` names it."""
    with runtime.engine.connect() as connection:
        return Reply.model_validate(_found(lambda: handling.find(connection, reply_id)))


@routes.post(
    "/replies/{reply_id}/answer",
    operation_id="answer_reply",
    summary="Answer a reply",
    response_model=SentMessage,
    **needs(
        Scope.MESSAGES_SEND,
        *("not_found", "refused", "provider_unavailable", "bad_json", "unsupported_media_type"),
        idempotency="required",
        example={"text": "A las 15. Empresa SA"},
    ),
)
def answer_reply(reply_id: ReplyId, body: Answer, runtime: RuntimeOf, caller: CallerOf, key: IdempotencyKeyOf) -> Any:
    """Send a text to the one who wrote it, now. The key needs the scope `results:read` too."""
    require_scope(caller, Scope.RESULTS_READ)
    with runtime.engine.connect() as connection:
        found = _found(lambda: handling.find(connection, reply_id))
    idinterno = send.idinterno_of_key(runtime, f"answer {reply_id}", key)
    wanted = SingleMessage(number=found.number, text=body.text, idinterno=idinterno)
    own = Runtime(runtime.settings)  # a session of the provider belongs to one thread
    try:
        sent = send.send(own, wanted)
    finally:
        own.close()
    if sent.good:
        with runtime.engine.begin() as connection:
            handling.answered(connection, reply_id)
    return shown(sent)


@routes.post(
    "/replies/{reply_id}/done",
    operation_id="finish_reply",
    summary="Mark a reply as done",
    response_model=Reply,
    **needs(Scope.RESULTS_READ, "not_found"),
)
def finish_reply(reply_id: ReplyId, runtime: RuntimeOf) -> Any:
    """Nothing is left to do about it. Said twice it changes nothing."""
    with runtime.engine.begin() as connection:
        return Reply.model_validate(_found(lambda: handling.done(connection, reply_id)))


def _found(look: Any) -> handling.Handled:
    try:
        found: handling.Handled = look()
    except handling.NoReply as error:
        raise Problem("not_found", why=str(error)) from None
    return found


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Problem("bad_cursor") from None
