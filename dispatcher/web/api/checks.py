"""`/checks`: what a campaign would be, before there is one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Request, Response
from pydantic import BaseModel

from dispatcher.access.keys import Key
from dispatcher.access.scopes import Scope
from dispatcher.campaigns import list_checks
from dispatcher.campaigns.list_checks import Check
from dispatcher.web.api.campaign_models import CampaignCreate
from dispatcher.web.api.problems import Problem
from dispatcher.web.api.routing import CallerOf, RuntimeOf, api_router, needs
from schemas.payload import CampaignSpec

routes = api_router("Checks")

CheckId = Annotated[str, Path(pattern=r"^chk_[0-9a-f]{32}$", description="`check_id` of the answer that made it.")]

_EXAMPLE = {
    "template": "Hola {nombre}, su turno es el {dia}. Empresa SA",
    "recipients": [{"telefono": "1144445555", "nombre": "Ana", "dia": "10/12"}],
}


class Sample(BaseModel):
    """One of the first texts, as the phone would show it."""

    number: str
    text: str


class OddRow(BaseModel):
    """A row that a careful colleague would ask about."""

    line: int
    number: str
    text: str
    why: str
    """longest, emptiest, most changed, a number as a name."""


class InvalidSample(BaseModel):
    """A row that cannot become a message."""

    line: int
    raw: str
    """The row as it came."""
    reason: str
    detail: str


class CheckAnswer(BaseModel):
    """A check. What it found is null while it runs, and when its list was refused."""

    check_id: str
    state: Literal["running", "done", "refused"]
    """`refused`: nothing can be made of the list; `error` says why, and a campaign would be refused alike."""
    error: str | None
    progress: float
    """Share of the list that has been read, 0 to 1."""
    created_at: datetime
    expires_at: datetime
    messages: int | None = None
    """Including those that are left out."""
    invalid: int | None = None
    reasons: dict[str, int] | None = None
    """Invalid rows by reason."""
    left_out: dict[str, int] | None = None
    """Messages that nobody gets, by the list that their number is on."""
    samples: list[Sample] | None = None
    odd_rows: list[OddRow] | None = None
    invalid_rows: list[InvalidSample] | None = None
    """The first ones, 50 at most."""
    characters_changed: int | None = None
    """Texts with characters that SMS does not have; they are spelled otherwise."""
    changed_characters: dict[str, int] | None = None
    """Those characters, with the texts that have each."""
    different_texts: int | None = None
    """Rows with the number of another row, and another text."""
    columns: dict[str, Any] | None = None
    """Which columns the number and the fields are taken from."""
    repeats: list[dict[str, Any]] | None = None
    """Earlier campaigns that the list repeats."""
    remarks: list[str] | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    cost: int | None = None
    """Messages that it would take from the balance."""
    balance: int | None = None
    """Null when the provider does not say it now."""


@routes.post(
    "/checks",
    operation_id="create_check",
    summary="Check a campaign without making it",
    status_code=201,
    response_model=CheckAnswer,
    **needs(
        Scope.CAMPAIGNS_WRITE,
        *("bad_json", "refused", "body_too_large", "unsupported_media_type", "value_not_storable"),
        idempotency="optional",
        example=_EXAMPLE,
        also={202: {"description": "A worker checks it; Location says where to look.", "model": CheckAnswer}},
    ),
)
def create_check(
    body: CampaignCreate, request: Request, response: Response, runtime: RuntimeOf, caller: CallerOf
) -> Any:
    """Say what a campaign of this body would be: what goes out, what does not and why, when it would end, its cost.

    201: done. 202: a worker checks the uploaded list; `Location` says where to look. No campaign comes of it, and
    nothing is sent. It is kept as long as a list is.
    """
    spec = CampaignSpec.model_validate(body.model_dump(include=set(CampaignSpec.model_fields)))
    if body.recipients is not None:
        check = list_checks.check_recipients(runtime.engine, runtime.settings, spec, body.recipients)
    else:
        check = list_checks.ask(runtime.engine, runtime.settings, spec, str(body.upload_id))
        response.status_code = 202
        request.app.state.hints.check_list(check.check_id)
    response.headers["Location"] = f"/api/v1/checks/{check.check_id}"
    return _shown(check, caller)


@routes.get(
    "/checks/{check_id}",
    operation_id="get_check",
    summary="Show a check",
    response_model=CheckAnswer,
    **needs(Scope.CAMPAIGNS_READ, "not_found"),
)
def get_check(check_id: CheckId, response: Response, runtime: RuntimeOf, caller: CallerOf) -> Any:
    """A check with what it found. Numbers and texts need the scope `campaigns:write` or `results:read` too."""
    with runtime.engine.connect() as connection:
        check = list_checks.find(connection, check_id)
    if check is None:
        raise Problem("not_found", why="There is no such check, or it is not kept any longer: check the list again.")
    if check.report is None and check.error is None:
        response.headers["Retry-After"] = "1"
    return _shown(check, caller)


def _shown(check: Check, caller: Key) -> CheckAnswer:
    answer = CheckAnswer(
        check_id=check.check_id,
        state="refused" if check.error is not None else "running" if check.report is None else "done",
        error=check.error,
        progress=check.progress,
        created_at=check.created_at,
        expires_at=check.expires_at,
    )
    if check.report is None:
        return answer
    return answer.model_copy(update=_found(check.report, private=not caller.scopes.isdisjoint(_OPEN_PRIVATE)))


_OPEN_PRIVATE = {Scope.CAMPAIGNS_WRITE, Scope.RESULTS_READ}
_AS_THEY_ARE = ("messages", "invalid", "reasons", "left_out", "columns", "repeats", "remarks", "cost", "balance")


def _found(report: dict[str, Any], *, private: bool) -> dict[str, Any]:
    look = report["look"]
    found = {name: report[name] for name in _AS_THEY_ARE}
    found |= {name: datetime.fromisoformat(report[name]) for name in ("begins", "ends")}
    found |= {"characters_changed": report["transliterated"], "changed_characters": look["changed_characters"]}
    found |= {"different_texts": look["different_texts"]}
    if private:
        found["samples"] = [Sample(number=each["destino"], text=each["texto"]) for each in report["samples"]]
        found["odd_rows"] = [
            OddRow(number=each["destino"], text=each["texto"], line=each["line"], why=each["why"])
            for each in look["odd_rows"]
        ]
        shown = InvalidSample.model_fields
        found["invalid_rows"] = [InvalidSample(**{name: row[name] for name in shown}) for row in report["invalid_rows"]]
    return found
