"""`/nollame`: the No Llame registry, which campaigns of marketing honour."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import partial
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel

from dispatcher.access.scopes import Scope
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.home import spool
from dispatcher.runtime import Runtime
from dispatcher.suppression import no_llame
from dispatcher.uploads.store import MEDIA_TYPES
from dispatcher.web.api.raw_bodies import spooled
from dispatcher.web.api.routing import RuntimeOf, api_router, needs, once_of_file

routes = api_router("No Llame")

_KINDS = {media_type: kind for kind, media_type in MEDIA_TYPES.items() if kind != "inline"} | {"": "csv"}


class Registry(BaseModel):
    """Where the registry stands."""

    numbers: int
    taken_at: datetime
    """When its file was taken from the registry."""
    imported_at: datetime
    imported_by: str
    source: str
    """The file's name."""
    age_days: int
    old: bool
    """25 days or more: the law wants it consulted every 30."""


class RegistryAnswer(BaseModel):
    """The registry; null when none was imported."""

    registry: Registry | None
    warnings: list[str]
    """What speaks against marketing now."""


class Replaced(BaseModel):
    """What became of a file that is the registry now."""

    numbers: int
    before: int
    added: int
    removed: int
    invalid: int
    invalid_rows: list[dict[str, Any]]
    """The first of them, with line, raw, code and detail."""
    remarks: list[str]


@routes.get(
    "/nollame",
    operation_id="get_nollame",
    summary="Show how old the No Llame registry is",
    **needs(Scope.CAMPAIGNS_READ),
)
def get_nollame(runtime: RuntimeOf) -> RegistryAnswer:
    """How many numbers it has, how old it is, and what speaks against marketing by it."""
    with runtime.engine.connect() as connection:
        known = no_llame.registry(connection)
    shown = Registry.model_validate(known.as_json()) if known else None
    return RegistryAnswer(registry=shown, warnings=no_llame.complaints(known))


@routes.post(
    "/nollame/imports",
    operation_id="import_nollame",
    summary="Replace the No Llame registry",
    response_model=Replaced,
    **needs(
        Scope.OPTOUTS_WRITE,
        *("unsupported_media_type", "body_too_large", "body_too_slow", "refused"),
        idempotency="file",
        files=tuple(filter(None, _KINDS)),
    ),
)
async def import_nollame(
    request: Request,
    runtime: RuntimeOf,
    taken: Annotated[date | None, Query(description="The day on which the file was taken. Default: now.")] = None,
    to_column: Annotated[str | None, Query(max_length=200, description="The number's column.")] = None,
    force: Annotated[bool, Query(description="Also when older, or with less than half of the numbers.")] = False,
) -> Any:
    """The body is the whole official file, of any kind that a list may have: it replaces the registry in one step."""
    settings = runtime.settings
    async with spooled(request, spool(settings.home), settings.upload_max, _KINDS) as body:
        load = partial(_load, runtime, body, taken, to_column, force)
        return await once_of_file(request, "import_nollame", body, 200, load)


def _load(runtime: Runtime, body: Any, taken: date | None, to_column: str | None, force: bool) -> Replaced:
    # Polars comes with them, which starts threads when it is imported: no process may have it before it forks.
    from dispatcher.ingest import Reading, open_source
    from dispatcher.suppression import no_llame_import, number_files

    settings = runtime.settings
    taken_at = datetime.combine(taken, time(), PROVIDER_ZONE).astimezone(UTC) if taken is not None else None
    body.seek(0)
    reading = Reading(to_column=to_column, unpacked_max=settings.unpacked_max)
    source = open_source(body, name="the file", spool=spool(settings.home), reading=reading)
    numbers, unread = no_llame_import.read(source, settings.country, to_column)
    with runtime.engine.begin() as connection:
        done = no_llame_import.replace(connection, numbers, unread, source.name, taken_at, force=force)
        known = no_llame.registry(connection)
    return Replaced(
        numbers=done.numbers,
        before=done.before,
        added=done.added,
        removed=done.removed,
        invalid=unread.invalid,
        invalid_rows=unread.invalid_rows,
        remarks=[remark.sentence for remark in number_files.remarks(source)] + no_llame.complaints(known),
    )
