"""The list as it was understood: sheet, headings, the number's column, the first rows."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.campaigns import preparations
from dispatcher.campaigns.preparations import ChangedMeanwhile, Preparation
from dispatcher.errors import UsageError
from dispatcher.home import spool
from dispatcher.runtime import Runtime
from dispatcher.uploads import inspection, reading, store
from dispatcher.web.page.forms import Form
from dispatcher.web.page.prepare import steps
from dispatcher.web.page.prepare.steps import PreparationId, optional
from dispatcher.web.page.prepare.upload import as_kept
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router

routes = page_router()


@routes.get("/prepare/{number}/columns", **needs(Role.OPERATOR))
def show_columns(request: Request, runtime: RuntimeOf, number: PreparationId) -> Response:
    """What the list looks like."""
    it = steps.known(runtime, number)
    return steps.step(request, "columns", it, looked=it.inspection, chosen={**_NOTHING, **it.spec})


@routes.post("/prepare/{number}/columns", **needs(Role.OPERATOR))
def choose_columns(request: Request, runtime: RuntimeOf, form: FormOf, number: PreparationId) -> Response:
    """Take what was chosen; another sheet or other headings show the list anew first."""
    it = steps.known(runtime, number)
    chosen = _chosen(form, it)
    try:
        if {name: it.spec.get(name) for name in _OF_READING} != {name: chosen[name] for name in _OF_READING}:
            it = _look_again(runtime, it, form, chosen)
            return steps.step(request, "columns", it, looked=it.inspection, chosen={**_NOTHING, **it.spec})
        it = steps.save(runtime, it, form, chosen)
    except ChangedMeanwhile as error:
        it = steps.known(runtime, number)
        return steps.step(request, "columns", it, 409, looked=it.inspection, chosen=chosen, **steps.collision(error))
    except UsageError as error:
        return steps.step(request, "columns", it, 422, looked=it.inspection, chosen=chosen, error=str(error))
    return steps.to_step(request, "message", it)


_NOTHING: dict[str, Any] = dict.fromkeys(
    ("sheet", "header_row", "visible_only", "to_column", "id_column", "area", "first_number")
)
_OF_READING = ("sheet", "header_row", "visible_only")
"""What changes which rows and headings there are."""


def _chosen(form: Form, it: Preparation) -> dict[str, Any]:
    headings = it.inspection["columns"]
    row = form.text("header_row")
    number = optional(form, "to_column")
    identity = optional(form, "id_column")
    return {
        "sheet": optional(form, "sheet") if it.inspection["sheets"] else None,
        "header_row": int(row) if row.isascii() and row.isdigit() and 0 < len(row) < 7 else None,
        "visible_only": True if form.has("visible_only") else None,
        "to_column": number if number in headings else None,
        "id_column": identity if identity in headings else None,
        "area": optional(form, "area"),
        "first_number": True if form.has("first_number") else None,
    }


def _look_again(runtime: Runtime, it: Preparation, form: Form, chosen: dict[str, Any]) -> Preparation:
    settings = runtime.settings
    with runtime.engine.connect() as connection:
        upload = store.find(connection, it.upload_id)
    if upload is None:
        raise reading.gone(it.name)
    with reading.open_file(runtime.engine, upload) as stream:
        looked = inspection.inspect(
            stream,
            upload.name,
            spool(settings.home),
            settings.unpacked_max,
            sheet=chosen["sheet"],
            header_row=chosen["header_row"],
            visible_only=bool(chosen["visible_only"]),
        )
    of_other_headings = {"to_column": None, "id_column": None}
    kept = as_kept(looked, it.inspection["name"], it.inspection["bytes"])
    with runtime.engine.begin() as connection:
        return preparations.inspected(connection, it, steps.version_of(form), kept, {**chosen, **of_other_headings})
