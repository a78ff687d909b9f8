"""`/messages`: one message now, and all that is known of one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from dispatcher.access.scopes import Scope
from dispatcher.campaigns import one_message
from dispatcher.i18n import terms
from dispatcher.runtime import Runtime
from dispatcher.single_messages import send
from dispatcher.single_messages.records import Sent
from dispatcher.web.api.problems import Problem
from dispatcher.web.api.routing import IdempotencyKeyOf, RuntimeOf, api_router, needs
from schemas.single import SingleMessage

routes = api_router("Messages")


class MessageCreate(SingleMessage):
    """One message. `async`: answer at once and let a worker send it."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    is_async: Annotated[bool, Field(alias="async")] = False


class SentMessage(BaseModel):
    """What became of a message.

    `status`: accepted, simulated (TEST), handed_over (a mail server has it), rejected (by the provider), refused (by
    us, before anything left), failed (proven not delivered), unknown, sending, queued.
    """

    idinterno: str
    number: str
    status: str
    result_code: int | None
    result_text: str | None
    meaning: str | None
    transport: str


class Attempt(BaseModel):
    """One POST that had the message in it."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    outcome: str | None
    """Null while it is under way, or when its process died."""
    detail: str | None


class ResultLine(BaseModel):
    """One line of the provider about the message."""

    model_config = ConfigDict(from_attributes=True)

    fecha: datetime
    code: int
    text: str


class MessageDetail(BaseModel):
    """One message with its whole life."""

    model_config = ConfigDict(from_attributes=True)

    idinterno: str
    kind: Literal["campaign", "single"]
    campaign_id: int | None
    seq: int | None
    external_id: str | None
    number: str
    text: str
    status: str
    result_code: int | None
    result_text: str | None
    meaning: str | None
    submitted_at: datetime | None
    processed_at: datetime | None
    attempts: list[Attempt]
    result_lines: list[ResultLine]


@routes.post(
    "/messages",
    operation_id="send_message",
    summary="Send one message now",
    response_model=SentMessage,
    **needs(
        Scope.MESSAGES_SEND,
        *("refused", "provider_unavailable", "bad_json", "unsupported_media_type", "value_not_storable"),
        idempotency="required",
        max_body=256 * 1024,
        example={"number": "1144445555", "text": "Su turno es a las 15. Empresa SA"},
        also={202: {"description": "A worker sends it; Location says where to look.", "model": SentMessage}},
    ),
)
def send_message(
    body: MessageCreate, request: Request, response: Response, runtime: RuntimeOf, key: IdempotencyKeyOf
) -> Any:
    """Send it, and answer with what the provider said. Without `idinterno` it gets one that the Idempotency-Key gives.

    202 with `async: true`: `GET /messages/{idinterno}` tells what became of it.
    """
    idinterno = body.idinterno or send.idinterno_of_key(runtime, "message", key)
    wanted = SingleMessage(**{**body.model_dump(exclude={"is_async"}), "idinterno": idinterno})
    if body.is_async:
        request.app.state.hints.send_message(wanted.model_dump(exclude_none=True))
        response.status_code = 202
        response.headers["Location"] = f"/api/v1/messages/{idinterno}"
        transport = wanted.transport or runtime.settings.transport
        return shown(Sent(idinterno, wanted.number, "queued", None, "", transport))
    own = Runtime(runtime.settings)  # a session of the provider belongs to one thread
    try:
        return shown(send.send(own, wanted))
    finally:
        own.close()


@routes.get(
    "/messages/{idinterno}",
    operation_id="get_message",
    summary="All that is known of one message",
    response_model=MessageDetail,
    **needs(Scope.RESULTS_READ, "not_found"),
)
def get_message(
    idinterno: Annotated[str, Path(max_length=50, pattern=r"^[0-9A-Za-z]{1,50}$")], runtime: RuntimeOf
) -> Any:
    """A message of a campaign or a single one, with every attempt and every line of the provider about it."""
    with runtime.engine.connect() as connection:
        found = one_message.find(connection, runtime.settings, idinterno)
    if found is None:
        raise Problem("not_found", why="There is no message with this idinterno.")
    meaning = terms.meaning(found.result_code) if found.result_code is not None else None
    return MessageDetail.model_validate({**vars_of(found), "meaning": meaning})


def vars_of(found: one_message.Life) -> dict[str, Any]:
    """The fields of a life."""
    return {name: getattr(found, name) for name in found.__slots__}


def shown(sent: Sent) -> SentMessage:
    """What became of a message, as the API shows it."""
    meaning = terms.meaning(sent.code) if sent.code is not None else None
    return SentMessage(**{**sent.as_json(), "result_text": sent.text or None, "meaning": meaning})
