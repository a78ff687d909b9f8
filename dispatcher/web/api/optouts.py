"""`/optouts`: who gets no messages, and why."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from dispatcher import audit_trail
from dispatcher.access.keys import Key
from dispatcher.access.scopes import Scope
from dispatcher.db.transactions import take_time
from dispatcher.home import spool
from dispatcher.runtime import Runtime
from dispatcher.suppression import optouts
from dispatcher.uploads.store import MEDIA_TYPES
from dispatcher.web.api.pages import Page, PageWanted
from dispatcher.web.api.paths import AMoment
from dispatcher.web.api.problems import Problem
from dispatcher.web.api.raw_bodies import spooled
from dispatcher.web.api.routing import CallerOf, RuntimeOf, api_router, needs, once_of_file

routes = api_router("Opt-outs")

Number = Annotated[str, Path(max_length=100, description="In any written form.")]

_KINDS = {media_type: kind for kind, media_type in MEDIA_TYPES.items() if kind != "inline"} | {
    "": "csv",
}


class OptOut(BaseModel):
    """One number that gets nothing. `source`: reply, result, import, operator."""

    model_config = ConfigDict(from_attributes=True)

    number: str
    source: str
    reason: str | None
    since: datetime


class Why(BaseModel):
    """Why, for the record."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str | None, Field(max_length=500)] = None


class Imported(BaseModel):
    """What became of a file of numbers."""

    added: int
    known: int
    invalid: int
    invalid_rows: list[dict[str, Any]]
    """The first of them, with line, raw, code and detail."""
    remarks: list[str]


@routes.get(
    "/optouts",
    operation_id="list_optouts",
    summary="List opt-outs, the newest first",
    **needs(Scope.RESULTS_READ, "bad_cursor"),
)
def list_optouts(
    runtime: RuntimeOf,
    page: PageWanted,
    since: Annotated[AMoment | None, Query(description="Only those that came at this moment or later.")] = None,
) -> Page[OptOut]:
    """Numbers that no campaign and no single message goes to."""
    after = page.after(str, str)
    with runtime.engine.connect() as connection:
        rows = optouts.listing(connection, page.limit + 1, (_moment(after[0]), after[1]) if after else None, since)
    return Page[OptOut](**page.page(rows, lambda row: (row.since.isoformat(), row.number), OptOut.model_validate))


@routes.put(
    "/optouts/{number}",
    operation_id="add_optout",
    summary="Opt a number out",
    response_model=OptOut,
    **needs(
        Scope.OPTOUTS_WRITE,
        *("not_found", "refused", "bad_json", "unsupported_media_type"),
        example={"reason": "carta del 3/12"},
    ),
)
def add_optout(number: Number, runtime: RuntimeOf, caller: CallerOf, body: Why | None = None) -> Any:
    """Put a number on the list. One that is on it stays as it is."""
    given = body.reason if body else None
    with runtime.engine.begin() as connection:
        national = optouts.national(number, runtime.settings.country)
        new = optouts.add(connection, national, source="operator", reason=given or f"by {caller.actor}")
        if new is not None:
            audit_trail.record(connection, "optout.add", reason=given)
        standing = optouts.find(connection, national)
    return OptOut.model_validate(standing)


@routes.delete(
    "/optouts/{number}",
    operation_id="remove_optout",
    summary="Opt a number in again",
    status_code=204,
    **needs(Scope.OPTOUTS_WRITE, "not_found", "refused"),
)
def remove_optout(
    number: Number,
    runtime: RuntimeOf,
    caller: CallerOf,
    reason: Annotated[str | None, Query(max_length=500, pattern=r"^[^\x00]*$", description="For the record.")] = None,
) -> None:
    """Take a number off the list: who asked for messages again, and when, belongs into the reason."""
    with runtime.engine.begin() as connection:
        national = optouts.national(number, runtime.settings.country)
        was = optouts.remove(connection, national, source="operator", reason=reason or f"by {caller.actor}")
        if was is None:
            raise Problem("not_found", why="The number is not on the list.")
        audit_trail.record(connection, "optout.remove", reason=reason)


@routes.post(
    "/optouts/imports",
    operation_id="import_optouts",
    summary="Opt out every number of a file",
    response_model=Imported,
    **needs(
        Scope.OPTOUTS_WRITE,
        *("unsupported_media_type", "body_too_large", "body_too_slow", "refused"),
        idempotency="file",
        files=tuple(filter(None, _KINDS)),
    ),
)
async def import_optouts(
    request: Request,
    response: Response,
    runtime: RuntimeOf,
    caller: CallerOf,
    reason: Annotated[str | None, Query(max_length=500, pattern=r"^[^\x00]*$", description="For the record.")] = None,
    to_column: Annotated[str | None, Query(max_length=200, description="The number's column.")] = None,
    area: Annotated[str | None, Query(max_length=10, description="The area code of local numbers.")] = None,
) -> Any:
    """The body is the file: one number a line, CSV, a workbook or JSON lines."""
    settings = runtime.settings
    async with spooled(request, spool(settings.home), settings.upload_max, _KINDS) as body:
        load = partial(_load, runtime, caller, body, reason, to_column, area)
        return await once_of_file(request, "import_optouts", body, 200, load)


def _load(
    runtime: Runtime, caller: Key, body: Any, reason: str | None, to_column: str | None, area: str | None
) -> Imported:
    # Polars comes with them, which starts threads when it is imported: no process may have it before it forks.
    from dispatcher.ingest import Reading, open_source
    from dispatcher.suppression import number_files, optout_import

    settings = runtime.settings
    reading = Reading(to_column=to_column, unpacked_max=settings.unpacked_max)
    body.seek(0)
    source = open_source(body, name="the file", spool=spool(settings.home), reading=reading)
    with runtime.engine.begin() as connection:
        take_time(connection)
        why = reason or f"by {caller.actor}"
        done = optout_import.load(connection, source, settings.country, why, to_column, area)
        audit_trail.record(connection, "optout.import", reason=reason, detail={"added": done.added})
    return Imported(
        added=done.added,
        known=done.known,
        invalid=done.invalid,
        invalid_rows=done.invalid_rows,
        remarks=[remark.sentence for remark in number_files.remarks(source)],
    )


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Problem("bad_cursor") from None
