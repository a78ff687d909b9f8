"""`/people`: everything about one telephone number."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict

from dispatcher.access.scopes import Scope
from dispatcher.people import erasing, history
from dispatcher.suppression import optouts
from dispatcher.web.api.optouts import OptOut
from dispatcher.web.api.replies import Reply
from dispatcher.web.api.routing import RuntimeOf, api_router, needs

routes = api_router("People")


class PersonMessage(BaseModel):
    """A message to the person. `at`: when it was posted, or made as long as it was not."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    kind: Literal["campaign", "single"]
    idinterno: str
    campaign_id: int | None
    seq: int | None
    external_id: str | None
    text: str
    status: str
    result_code: int | None
    result_text: str | None
    submitted_at: datetime | None
    processed_at: datetime | None


class OptOutEvent(BaseModel):
    """One change of the opt-out list."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    action: Literal["add", "remove"]
    source: str
    reason: str | None


class Undeliverable(BaseModel):
    """The entry on the do-not-send list."""

    model_config = ConfigDict(from_attributes=True)

    number: str
    code: int
    since: datetime
    until: datetime


class Person(BaseModel):
    """One number. `optout` and `undeliverable`: what holds now; the lists are newest first."""

    model_config = ConfigDict(from_attributes=True)

    number: str
    optout: OptOut | None
    no_llame: bool
    """In the No Llame registry: it gets no marketing."""
    undeliverable: Undeliverable | None
    messages: list[PersonMessage]
    replies: list[Reply]
    optouts: list[OptOutEvent]


@routes.get(
    "/people/{number}",
    operation_id="get_person",
    summary="Everything about one number",
    response_model=Person,
    **needs(Scope.RESULTS_READ, "not_found", "refused"),
)
def get_person(
    number: Annotated[str, Path(max_length=100, description="In any written form.")],
    runtime: RuntimeOf,
    limit: Annotated[int, Query(ge=1, le=1_000, description="At most so many of each, the newest.")] = 100,
) -> Any:
    """Messages, replies and opt-outs, newest first. A number that nobody knows has empty lists."""
    with runtime.engine.connect() as connection:
        return Person.model_validate(
            history.find(connection, optouts.national(number, runtime.settings.country), limit)
        )


class Erased(BaseModel):
    """What was erased. `open`: something is still on its way, and goes when it ends."""

    model_config = ConfigDict(from_attributes=True)

    messages: int
    singles: int
    replies: int
    optouts: int
    invalid_rows: int
    lists: int
    files: int
    open: bool


@routes.delete(
    "/people/{number}",
    operation_id="erase_person",
    summary="Erase a person",
    **needs(Scope.PEOPLE_ERASE, "not_found", "refused"),
)
def erase_person(
    number: Annotated[str, Path(max_length=100, description="In any written form.")],
    runtime: RuntimeOf,
    reason: Annotated[
        str, Query(min_length=1, max_length=500, pattern=r"^[^\x00]+$", description="Why, for the audit trail.")
    ],
) -> Erased:
    """Number, texts, replies, rows and lists of a person go; sums stay. An opt-out is known again without them."""
    national = optouts.national(number, runtime.settings.country)
    return Erased.model_validate(erasing.erase(runtime.engine, runtime.settings, national, reason))
