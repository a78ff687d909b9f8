"""The first step: the file. It is taken under a number that the form drew, so that a double click takes it once."""

from __future__ import annotations

import csv
import io
import secrets
from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection

from dispatcher import audit_trail
from dispatcher.access.roles import Role
from dispatcher.campaigns import preparations
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.i18n.words import translated
from dispatcher.runtime import Runtime
from dispatcher.uploads import inspection, store
from dispatcher.uploads.inspection import Inspection
from dispatcher.uploads.store import MEDIA_TYPES
from dispatcher.web.page.failures import for_a_page, without_commands
from dispatcher.web.page.forms import Form, SentFile
from dispatcher.web.page.prepare.steps import PreparationId, known, to_step
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from dispatcher.web.page.show import go, secure, show

routes = page_router()

_PASTED = "pegado.csv"
_SAMPLE = (
    ("cliente", "Celular", "nombre", "saldo", "vence"),
    ("C-001", "11 4444-5555", "Ana", "1.234,50", "05/12"),
    ("C-002", "+54 9 351 555 1234", "José Núñez", "980,00", "05/12"),
    ("C-003", "0223 15 444-9876", "  María   ", "12.000,00", "06/12"),
    ("C-004", "11 4444-5555", "Ana", "1.234,50", "05/12"),
    ("C-005", "15 2345-6789", "Sin característica", "45,00", "05/12"),
    ("C-006", "3,51556E+09", "Excel lo rompió", "45,00", "05/12"),
    ("C-007", "261 555-4321", "", "310,20", "07/12"),
    ("C-008", "11 5555-0001", "Lucía", "77,70", "07/12"),
)


@routes.get("/campaigns/new", **needs(Role.OPERATOR))
def new(request: Request) -> Response:
    """The form for the file."""
    return _form(request, secrets.token_hex(16))


@routes.get("/campaigns/sample.csv", **needs(Role.OPERATOR))
def sample(request: Request) -> Response:
    """A small list, as messy as real ones, to click through a campaign with."""
    written = io.StringIO()
    csv.writer(written, delimiter=";", lineterminator="\r\n").writerows(_SAMPLE)
    headers = {**secure(request), "Content-Disposition": 'attachment; filename="lista-de-prueba.csv"'}
    return Response(written.getvalue().encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)


@routes.post("/prepare/{number}/list", **needs(Role.OPERATOR))
def take(request: Request, runtime: RuntimeOf, form: FormOf, number: PreparationId) -> Response:
    """Keep the file, and go on to its columns."""
    sent = _sent(form)
    if sent is None:
        return _form(request, number, translated("Choose a file, or paste the list."), 422)
    try:
        _take(runtime, number, sent)
    except UsageError as error:
        hint = without_commands(error.hint)
        return _form(request, number, f"{error} {hint}".strip(), 422)
    return go(request, f"/prepare/{number}/columns")


@routes.get("/prepare/{number}", **needs(Role.OPERATOR))
def go_on(request: Request, runtime: RuntimeOf, number: PreparationId) -> Response:
    """Go on where somebody stopped."""
    it = known(runtime, number)
    if it.request_key is not None:
        return to_step(request, "made", it)
    return to_step(
        request, "columns" if not it.spec.get("template") else "message" if it.check_id is None else "check", it
    )


@routes.post("/prepare/{number}/drop", **needs(Role.OPERATOR))
def drop(request: Request, runtime: RuntimeOf, number: PreparationId) -> Response:
    """Throw it away, with its list."""
    with runtime.engine.begin() as connection:
        preparations.drop(connection, number)
    return go(request, "/")


def _form(request: Request, number: str, error: str = "", status: int = 200) -> Response:
    return show(request, "prepare_list.html", status, number=number, error=error)


def _sent(form: Form) -> SentFile | None:
    """The file of the form, or what was pasted as one."""
    if form.file is not None and form.file.size:
        return form.file
    pasted = form.raw("pasted").strip()
    if not pasted:
        return None
    content = pasted.encode("utf-8", "replace")
    return SentFile(_PASTED, io.BytesIO(content), len(content))


def _take(runtime: Runtime, number: str, sent: SentFile) -> None:
    settings = runtime.settings
    name = sent.name or "list.csv"
    looked = inspection.inspect(sent.content, name, spool(settings.home), settings.unpacked_max)
    sent.content.seek(0)
    with runtime.engine.begin() as connection:
        made = store.store(
            connection,
            settings,
            store.pieces_of(sent.content),
            name=name,
            media_type=MEDIA_TYPES[looked.format],
            created_by=str(audit_trail.current()),
        )
        _note(connection, made.public_id, made.bytes)
        preparations.begin(connection, number, made.public_id, as_kept(looked, name, made.bytes))


def _note(connection: Connection, upload_id: str, size: int) -> None:
    audit_trail.record(connection, "upload.create", detail={"upload_id": upload_id, "bytes": size})


def as_kept(looked: Inspection, name: str, size: int) -> dict[str, Any]:
    """What a preparation keeps of a list: what was understood, its name and bytes."""
    remarks = [said for remark in looked.remarks if (said := for_a_page(remark))]
    return {**asdict(looked), "remarks": remarks, "name": name, "bytes": size}
