"""`/uploads`: lists that are too long for a body of JSON. The file is the body, as it is."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any, BinaryIO

from fastapi import Path, Query, Request
from pydantic import BaseModel

from dispatcher import audit_trail
from dispatcher.access.keys import Key
from dispatcher.access.scopes import Scope
from dispatcher.home import spool
from dispatcher.runtime import Runtime
from dispatcher.uploads import inspection, reading, store
from dispatcher.uploads.inspection import Inspection
from dispatcher.uploads.store import MEDIA_TYPES, Upload
from dispatcher.web.api.problems import Problem
from dispatcher.web.api.raw_bodies import spooled
from dispatcher.web.api.routing import CallerOf, RuntimeOf, api_router, needs, once_of_file

routes = api_router("Uploads")

_KINDS = {MEDIA_TYPES["csv"]: "csv", MEDIA_TYPES["jsonl"]: "jsonl", MEDIA_TYPES["xlsx"]: "xlsx"}
_NAMES = {"csv": "list.csv", "jsonl": "list.jsonl", "xlsx": "list.xlsx"}

UploadId = Annotated[str, Path(pattern=r"^up_[0-9a-f]{32}$", description="`upload_id` of the answer that made it.")]


class UploadAnswer(BaseModel):
    """A list in the upload store, as it was understood."""

    upload_id: str
    name: str
    bytes: int
    sha256: str
    expires_at: datetime
    """When its content may be dropped; a campaign that is made of it starts the days anew."""
    format: str | None
    sheet: str | None
    sheets: list[str]
    columns: list[str]
    number_column: str | None
    """The column that would be taken for the number; null when no heading says it (`to_column`)."""
    sample: list[dict[str, str]]
    """The first rows, five at most."""
    remarks: list[str]


@routes.post(
    "/uploads",
    operation_id="create_upload",
    summary="Upload a list",
    status_code=201,
    response_model=UploadAnswer,
    **needs(
        Scope.CAMPAIGNS_WRITE,
        *("unsupported_media_type", "body_too_large", "body_too_slow", "refused"),
        idempotency="file",
        files=tuple(_KINDS),
    ),
)
async def create_upload(
    request: Request,
    runtime: RuntimeOf,
    caller: CallerOf,
    name: Annotated[
        str | None,
        Query(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$", description="What it is called."),
    ] = None,
) -> Any:
    """Store the body, a CSV, a workbook or JSON lines, and say what it looks like. Nothing is sent.

    It is kept for `DISPATCHER_LISTS_KEPT` days after the last campaign that was made of it. An upload that breaks off
    leaves nothing behind.
    """
    settings = runtime.settings
    async with spooled(request, spool(settings.home), settings.upload_max, _KINDS) as body:
        kind = request.headers["content-type"].partition(";")[0].strip().lower()
        take = partial(_take, runtime, caller, body, name or _NAMES[_KINDS[kind]], kind)
        return await once_of_file(request, "create_upload", body, 201, take)


def _take(runtime: Runtime, caller: Key, body: BinaryIO, name: str, kind: str) -> UploadAnswer:
    settings = runtime.settings
    body.seek(0)
    looked = inspection.inspect(body, name, spool(settings.home), settings.unpacked_max)
    body.seek(0)
    with runtime.engine.begin() as connection:
        made = store.store(
            connection,
            settings,
            store.pieces_of(body),
            name=name,
            media_type=MEDIA_TYPES[looked.format],
            created_by=str(caller.actor),
        )
        audit_trail.record(connection, "upload.create", detail={"upload_id": made.public_id, "bytes": made.bytes})
        expires_at = store.expires_at(connection, made.id)
    return _shown(made, expires_at, looked)


@routes.get(
    "/uploads/{upload_id}",
    operation_id="get_upload",
    summary="Show an upload",
    response_model=UploadAnswer,
    **needs(Scope.CAMPAIGNS_WRITE, "not_found", "refused"),
)
def get_upload(upload_id: UploadId, runtime: RuntimeOf) -> Any:
    """What an uploaded list looks like."""
    with runtime.engine.connect() as connection:
        found = _found(store.find(connection, upload_id))
        expires_at = store.expires_at(connection, found.id)
    settings = runtime.settings
    with reading.open_file(runtime.engine, found) as stream:
        looked = inspection.inspect(stream, found.name, spool(settings.home), settings.unpacked_max)
    return _shown(found, expires_at, looked)


@routes.delete(
    "/uploads/{upload_id}",
    operation_id="delete_upload",
    summary="Delete an upload",
    status_code=204,
    **needs(Scope.CAMPAIGNS_WRITE, "not_found"),
)
def delete_upload(upload_id: UploadId, runtime: RuntimeOf) -> None:
    """Drop an uploaded list before its time. Campaigns that were made of it stay as they are."""
    with runtime.engine.begin() as connection:
        found = _found(store.find(connection, upload_id))
        store.expire(connection, found.id)
        audit_trail.record(connection, "upload.delete", detail={"upload_id": upload_id})


def _found(upload: Upload | None) -> Upload:
    if upload is None or not upload.there:
        raise Problem("not_found", why="There is no such upload, or it is not kept any longer: upload it again.")
    return upload


def _shown(upload: Upload, expires_at: datetime, looked: Inspection) -> UploadAnswer:
    return UploadAnswer(
        upload_id=upload.public_id,
        name=upload.name,
        bytes=upload.bytes,
        sha256=upload.sha256,
        expires_at=expires_at,
        format=looked.format,
        sheet=looked.sheet,
        sheets=looked.sheets,
        columns=looked.columns,
        number_column=looked.number_column,
        sample=looked.sample,
        remarks=looked.remarks,
    )
