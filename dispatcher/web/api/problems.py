"""What every refusal looks like: `application/problem+json` (RFC 9457) with a `code` of `problem_table.py`.

`Accept-Language` chooses the words of `title` and `detail`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, ValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from dispatcher.campaigns.lifecycle import WrongState
from dispatcher.campaigns.summary import NoCampaign
from dispatcher.db.errors import DRIVER_ERRORS, DatabaseRefused, DatabaseRefusedValue, translate
from dispatcher.db.storable import storable
from dispatcher.errors import BrokerUnavailable, DispatcherError, ListRefused, ProviderError, UsageError
from dispatcher.i18n.words import LANGUAGES, Language, translated
from dispatcher.web.api.field_words import sentence
from dispatcher.web.api.problem_table import KINDS, LATER
from dispatcher.web.database_errors import REFUSED_RETRY_AFTER, RETRY_AFTER
from dispatcher.web.request_ids import request_id
from dispatcher.webhooks.deliveries import NoDelivery
from dispatcher.webhooks.endpoints import NotActive, NoWebhook

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_SHOWN = 20
"""Bad fields that one answer names."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class FieldError(BaseModel):
    """One field that cannot be used."""

    pointer: str
    """JSON pointer into the body; `?name` for a parameter of the query."""
    code: str
    detail: str


class ProblemModel(BaseModel):
    """What went wrong, in words for people and a code for programs."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FieldError] | None = None


class Problem(Exception):
    """A refusal that the caller is told of."""

    def __init__(
        self,
        code: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
        **fields: object,
    ) -> None:
        """Take a code of the table, the fields of its detail, and what else the answer should hold."""
        super().__init__(code)
        self.code = code
        self.errors = list(errors)
        self.headers = headers or {}
        self.more = more or {}
        self.fields = fields


def field_error(pointer: str, code: str, detail: str) -> Problem:
    """A problem with one field."""
    return Problem("invalid_fields", errors=[FieldError(pointer=pointer, code=code, detail=detail)])


def language(request: Request) -> Language:
    """`es` or `en`: the one of the two that Accept-Language likes better; `en` when it does not care."""
    best: Language = "en"
    best_weight = 0.0
    for part in request.headers.get("accept-language", "")[:500].split(","):
        name, _, weight_text = part.strip().partition(";")
        try:
            weight = float(weight_text.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        for known in LANGUAGES:
            if name.strip().lower()[:2] == known and weight > best_weight:
                best, best_weight = known, weight
    return best


def answer(request: Request, problem: Problem) -> Response:
    """A problem as an answer."""
    kind = KINDS[problem.code]
    spanish = language(request) == "es"
    title, detail = (kind.title_es, kind.detail_es) if spanish else (kind.title, kind.detail)
    body: dict[str, Any] = {
        "type": f"/api/v1/docs#problem-{problem.code}",
        "title": title,
        "status": kind.status,
        "detail": storable(detail.format(**_worded(problem.fields, language(request)))).strip(),
        "instance": f"urn:request:{request_id()}",
        "code": problem.code,
        **problem.more,
    }
    if problem.errors:
        body["errors"] = [
            {"pointer": storable(each.pointer), "code": each.code, "detail": storable(each.detail)}
            for each in problem.errors[:_SHOWN]
        ]
    headers = {"Content-Language": "es" if spanish else "en", **problem.headers}
    if problem.code in LATER:
        headers.setdefault("Retry-After", str(RETRY_AFTER))
    if kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, kind.status, headers, media_type=MEDIA_TYPE)


def _worded(fields: dict[str, object], language: Language) -> dict[str, object]:
    """The values of a detail: `why`, where it is a sentence of ours, in the caller's language."""
    why = fields.get("why")
    return {**fields, "why": translated(why, language)} if isinstance(why, str) else fields


def of_database(error: Exception) -> Problem:
    """What a driver's error means for the caller; what the driver said stays in the log."""
    failure = translate(error)
    log.error("database_failed kind=%s sqlstate=%s", type(failure).__name__, failure.sqlstate)
    if isinstance(failure, DatabaseRefusedValue):
        return Problem("value_not_storable")
    if isinstance(failure, DatabaseRefused):
        return Problem("database_refused", headers={"Retry-After": str(REFUSED_RETRY_AFTER)})
    return Problem("database_unavailable")


def of_dispatcher(error: DispatcherError) -> Problem:
    """What an error of ours means for the caller."""
    why = f"{str(error).rstrip('.')}. {error.hint or ''}".strip()
    if isinstance(error, (WrongState, NotActive)):
        return Problem("wrong_state", state=error.state, allowed=", ".join(error.allowed), more={"state": error.state})
    if isinstance(error, (NoCampaign, NoWebhook, NoDelivery)):
        return Problem("not_found", why=str(error))
    if isinstance(error, (UsageError, ListRefused)):
        return Problem("refused", why=why)
    log.error("call_failed kind=%s", type(error).__name__)
    if isinstance(error, BrokerUnavailable):
        return Problem("broker_unavailable")
    return Problem("provider_unavailable" if isinstance(error, ProviderError) else "internal_error")


def of_fields(errors: Sequence[Any], language: Language) -> Problem:
    """Pydantic's findings, each with a pointer to its field."""
    found = [
        FieldError(pointer=_pointer(each["loc"]), code=each["type"], detail=sentence(each, language))
        for each in errors[:_SHOWN]
    ]
    if any(each["loc"][:1] == ("path",) for each in errors):
        return Problem("not_found", why="The address names something that cannot be there.")
    return Problem("invalid_fields", errors=found)


def _pointer(loc: Sequence[Any]) -> str:
    where, *rest = loc or ("body",)
    path = "".join("/" + str(part)[:100].replace("~", "~0").replace("/", "~1") for part in rest)
    return path if where == "body" else f"{'?' if where == 'query' else where + ':'}{path[1:]}"


def install(app: FastAPI) -> None:
    """Make every refusal of an application a problem."""

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return answer(request, error)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        found = _of_http(request, error)
        found.headers = {**(error.headers or {}), **found.headers}
        if error.status_code == 405:
            found.headers["Allow"] = ", ".join(_allowed(request))
        return answer(request, found)

    async def fields(request: Request, error: Exception) -> Response:
        assert isinstance(error, (RequestValidationError, ValidationError))
        return answer(request, of_fields(error.errors(), language(request)))

    async def database(request: Request, error: Exception) -> Response:
        return answer(request, of_database(error))

    async def broker(request: Request, error: Exception) -> Response:
        log.error("broker_failed kind=%s", type(error).__name__)
        return answer(request, Problem("broker_unavailable"))

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, DispatcherError)
        return answer(request, of_dispatcher(error))

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("call_failed kind=%s", type(error).__name__)
        return answer(request, Problem("internal_error"))

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, fields)
    app.add_exception_handler(RedisError, broker)
    app.add_exception_handler(DispatcherError, ours)
    app.add_exception_handler(Exception, unexpected)
    for kind in DRIVER_ERRORS:
        app.add_exception_handler(kind, database)


def _allowed(request: Request) -> list[str]:
    """The methods that this address has: each has a route of its own, and the router names only the first one's.

    Where `/optouts/imports` and `/optouts/{number}` both match, the address is that of the route without parameters.
    """
    methods: dict[str, int] = {}
    for prefix, route in request.app.state.routes:
        if route.path_regex.match(request.scope["path"].removeprefix(prefix)):
            methods |= dict.fromkeys(route.methods or (), len(route.param_convertors))
    return [method for method in _METHODS if method in methods and methods[method] == min(methods.values())]


def _of_http(request: Request, error: HTTPException) -> Problem:
    if error.status_code == 404:
        return Problem("not_found", why="No route has this address: /api/v1/docs lists them.")
    if error.status_code == 405:
        return Problem("method_not_allowed", method=request.method[:20])
    if error.status_code == 408:
        return Problem("body_too_slow")
    return Problem("bad_request", why=str(error.detail))
