"""What the steps share: their order, the preparation that they fill in, and how two people on one are told."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request
from fastapi.responses import Response

from dispatcher.campaigns import preparations
from dispatcher.campaigns.preparations import ChangedMeanwhile, Preparation
from dispatcher.runtime import Runtime
from dispatcher.web.page.forms import Form
from dispatcher.web.page.show import go, show

STEPS = {
    "columns": "List",
    "message": "Message",
    "check": "Check",
    "when": "Time",
    "summary": "Send",
}
"""By the last part of their address, with their name."""

PreparationId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


def known(runtime: Runtime, number: str) -> Preparation:
    """The preparation of an address.

    Raises:
        NoPreparation: there is none.
    """
    with runtime.engine.connect() as connection:
        return preparations.get(connection, number)


def step(request: Request, name: str, it: Preparation, status: int = 200, /, **values: Any) -> Response:
    """The page of a step."""
    shared = {"it": it, "spec": it.spec, "step": name, "steps": STEPS, "notice": "", "error": ""}
    return show(request, f"prepare_{name}.html", status, **{**shared, **values})


def to_step(request: Request, name: str, it: Preparation) -> Response:
    """Send the browser to a step."""
    return go(request, f"/prepare/{it.id}/{name}")


def save(runtime: Runtime, it: Preparation, form: Form, changes: dict[str, Any]) -> Preparation:
    """Fill in fields, of the version that the form was made from.

    Raises:
        ChangedMeanwhile: somebody else changed it since.
    """
    with runtime.engine.begin() as connection:
        return preparations.change(connection, it, version_of(form), changes)


def version_of(form: Form) -> int:
    """The version of the preparation that a form was made from."""
    given = form.text("version")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0


def collision(error: ChangedMeanwhile) -> dict[str, str]:
    """What is shown of it: the form again, with what was typed, so that saving it once more is a decision."""
    return {"notice": str(error)}


def optional(form: Form, name: str) -> str | None:
    """A field's text; None when it was left empty."""
    return form.text(name) or None
