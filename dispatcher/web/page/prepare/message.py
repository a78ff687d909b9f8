"""The text: its fields as buttons, and what the first rows would say, while it is typed."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.campaigns.preparations import ChangedMeanwhile, Preparation
from dispatcher.campaigns.preview import MOST_CHARACTERS, Preview, preview
from dispatcher.i18n.words import translated
from dispatcher.runtime import Runtime
from dispatcher.web.page.forms import Form
from dispatcher.web.page.prepare import steps
from dispatcher.web.page.prepare.steps import PreparationId
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from dispatcher.web.page.show import show

routes = page_router()

_LONGEST = 2_000
_ROWS = 3


@routes.get("/prepare/{number}/message", **needs(Role.OPERATOR))
def show_message(request: Request, runtime: RuntimeOf, number: PreparationId) -> Response:
    """The form for the text."""
    it = steps.known(runtime, number)
    return _page(request, runtime, it, it.spec)


@routes.post("/prepare/{number}/preview", **needs(Role.OPERATOR))
def show_preview(request: Request, runtime: RuntimeOf, form: FormOf, number: PreparationId) -> Response:
    """What the first rows would say with the text as it is typed; nothing is kept."""
    it = steps.known(runtime, number)
    return show(request, "prepare_preview.html", **_previewed(runtime, it, _typed(form)))


@routes.post("/prepare/{number}/message", **needs(Role.OPERATOR))
def save_message(request: Request, runtime: RuntimeOf, form: FormOf, number: PreparationId) -> Response:
    """Keep the text; one that cannot be filled in is shown again, with why."""
    it = steps.known(runtime, number)
    typed = _typed(form)
    if not typed["template"]:
        return _page(request, runtime, it, typed, 422, error=translated("Write the text."))
    if len(typed["template"]) > _LONGEST:
        return _page(request, runtime, it, typed, 422, error=translated("The text is too long."))
    shown = _previewed(runtime, it, typed)
    if form.has("look"):  # without JavaScript: look first
        return _page(request, runtime, it, typed)
    if shown["seen"].refused:
        return _page(request, runtime, it, typed, 422, error=shown["seen"].refused)
    try:
        it = steps.save(runtime, it, form, {**typed, "name": typed["name"] or None})
    except ChangedMeanwhile as error:
        return _page(request, runtime, steps.known(runtime, number), typed, 409, **steps.collision(error))
    return steps.to_step(request, "check", it)


def _typed(form: Form) -> dict[str, Any]:
    return {
        "template": form.raw("template").strip()[: _LONGEST + 1],
        "name": form.text("name")[:200],
        "intent": "marketing" if form.text("intent") == "marketing" else None,
        "strict_text": True if form.has("strict_text") else None,
    }


def _page(
    request: Request, runtime: Runtime, it: Preparation, typed: dict[str, Any], status: int = 200, **more: Any
) -> Response:
    typed = {"template": "", "name": "", "intent": None, "strict_text": None, **typed}
    return steps.step(
        request, "message", it, status, typed=typed, fields=_fields(it), **{**_previewed(runtime, it, typed), **more}
    )


def _fields(it: Preparation) -> list[str]:
    """The headings that a text can name."""
    return [name for name in it.inspection["columns"] if name and "{" not in name and "}" not in name]


def _previewed(runtime: Runtime, it: Preparation, typed: dict[str, Any]) -> dict[str, Any]:
    spec = {name: value for name, value in {**it.spec, **typed}.items() if value not in (None, "")}
    for only_of_files in ("sheet", "header_row", "visible_only"):
        spec.pop(only_of_files, None)
    rows = it.inspection["sample"][:_ROWS]
    seen = preview(runtime.settings, spec, rows) if spec.get("template") else Preview()
    longest = max((text.characters for text in seen.texts), default=0)
    return {"seen": seen, "longest": longest, "most": MOST_CHARACTERS}
