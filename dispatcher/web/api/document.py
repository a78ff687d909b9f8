"""The document of the API (OpenAPI 3.1), made from the routes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from dispatcher.access.scopes import MEANINGS, Scope
from dispatcher.web.api.problem_table import KINDS
from dispatcher.web.api.problems import MEDIA_TYPE, ProblemModel

RULE = "x-rule"
"""Where a route keeps what it asks of a caller; the document does not show it."""

_ALWAYS = (
    *("key_missing", "key_malformed", "key_unknown", "key_revoked", "key_expired", "key_network", "scope_missing"),
    *("bad_request", "invalid_fields", "rate_limited", "database_unavailable"),
)
_ABOUT = """\
Send `Authorization: Bearer KEY`; `dispatcher key create NAME --scope …` makes a key. Every refusal is
`application/problem+json` with a stable `code`. Lists come in pages: send `next_cursor` back as `cursor`. A POST that
creates or sends takes `Idempotency-Key`: sent again with the same body, it does nothing twice.
"""


def extra(scope: Scope | None, idempotency: str, max_body: int, example: Any) -> dict[str, Any]:
    """What a route adds to its part of the document."""
    rule = {"scope": None if scope is None else str(scope), "idempotency": idempotency, "max_body": max_body}
    added: dict[str, Any] = {RULE: rule, "security": [{"key": []}], "x-scope": rule["scope"]}
    if idempotency != "none":
        added["parameters"] = [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": idempotency in ("required", "own"),
                "description": "A text of your own, new for each thing to do. Sent again with the same body, it does "
                "nothing twice.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"},
                "example": "0b7c1a52-8d0e-4a51-9a43-6f2b1a1a7f10",
            }
        ]
    if example is not None:
        added["requestBody"] = {"content": {"application/json": {"example": example}}}
    return added


def responses(problems: Sequence[str], idempotency: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, by status."""
    codes = [*_ALWAYS, *problems]
    if idempotency != "none":
        codes += ["idempotency_key_invalid", "idempotency_key_reused"]
    if idempotency in ("required", "own"):
        codes.append("idempotency_key_missing")
    found: dict[int | str, dict[str, Any]] = {}
    for code in dict.fromkeys(codes):
        kind = KINDS[code]
        status = found.setdefault(kind.status, {"description": "", "content": {MEDIA_TYPE: _problems()}})
        status["description"] = f"{status['description']}; {kind.title}".removeprefix("; ")
        status["content"][MEDIA_TYPE]["examples"][code] = {"value": _example(code)}
    return found


def _problems() -> dict[str, Any]:
    return {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}


def _example(code: str) -> dict[str, Any]:
    kind = KINDS[code]
    found: dict[str, Any] = {
        "type": f"/api/v1/docs#problem-{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.detail,
        "instance": "urn:request:7d1f3c0e5b7a4c1c9c3f0f4f0f1e2d3c",
        "code": code,
    }
    if code == "invalid_fields":
        found["errors"] = [{"pointer": "/template", "code": "missing", "detail": "Field required"}]
    return found


def make(app: FastAPI) -> dict[str, Any]:
    """The document."""
    made = get_openapi(
        title="SMS dispatcher",
        version="1",
        openapi_version="3.1.0",
        description=_ABOUT,
        routes=app.routes,
        servers=[{"url": "/", "description": "Where this document came from."}],
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = ProblemModel.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schemas["Problem"].pop("$defs", {}))
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    scopes = "\n".join(f"- `{scope}`: {meaning}" for scope, meaning in MEANINGS.items())
    made["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "bearerFormat": "smsd_…", "description": f"Scopes:\n\n{scopes}"}
    }
    for path in made["paths"].values():
        for operation in path.values():
            operation.pop(RULE, None)
    return made


def text(app: FastAPI) -> str:
    """The document as it is committed: docs/openapi.json."""
    return json.dumps(make(app), indent=1, ensure_ascii=False) + "\n"
