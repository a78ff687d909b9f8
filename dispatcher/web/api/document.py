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
    *("bad_request", "invalid_fields", "rate_limited", "database_unavailable", "database_refused"),
)
_OF_CAMPAIGN = (
    *("get_campaign", "change_campaign", "send_campaign", "pause_campaign", "resume_campaign", "cancel_campaign"),
    *("list_messages", "list_invalid_rows", "list_doubts", "list_campaign_events", "audit_campaign"),
)
_LINKS = (
    ("create_campaign", "201", "campaign_id", "campaign_id", _OF_CAMPAIGN),
    ("retry_campaign", "201", "campaign_id", "campaign_id", ("get_campaign", "send_campaign", "cancel_campaign")),
    ("create_upload", "201", "upload_id", "upload_id", ("get_upload", "delete_upload")),
    ("create_check", "201", "check_id", "check_id", ("get_check",)),
    ("create_check", "202", "check_id", "check_id", ("get_check",)),
    ("list_replies", "200", "data/0/reply_id", "reply_id", ("answer_reply", "finish_reply")),
    ("send_message", "200", "idinterno", "idinterno", ("get_message",)),
)
"""What an answer is good for: the operation, its status, where the answer has the value, and who takes it as what."""

_ABOUT = """\
Send `Authorization: Bearer KEY`; `dispatcher key create NAME --scope …` makes a key. Every refusal is
`application/problem+json` with a stable `code`. Lists come in pages: send `next_cursor` back as `cursor`. A POST that
creates or sends takes `Idempotency-Key`: sent again with the same body, it does nothing twice.
"""


def extra(
    scope: Scope | None, idempotency: str, max_body: int, example: Any, files: Sequence[str] = ()
) -> dict[str, Any]:
    """What a route adds to its part of the document; `files` are the media types of a body that is a file."""
    rule = {
        "scope": None if scope is None else str(scope),
        "idempotency": idempotency,
        "max_body": max_body,
        "file": bool(files),
    }
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
    if files:
        file = {"schema": {"type": "string", "format": "binary"}}
        added["requestBody"] = {"required": True, "content": dict.fromkeys(files, file)}
    return added


def responses(problems: Sequence[str], idempotency: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, by status."""
    codes = [*_ALWAYS, *problems]
    if idempotency != "none":
        codes += ["idempotency_key_invalid", "idempotency_key_reused"]
    if idempotency in ("required", "own"):
        codes.append("idempotency_key_missing")
    if "unsupported_media_type" in codes:
        codes.append("compressed")
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
    operations = [operation for path in made["paths"].values() for operation in path.values()]
    for operation in operations:
        operation.pop(RULE, None)
    _link({operation["operationId"]: operation for operation in operations})
    return made


def _link(operations: dict[str, Any]) -> None:
    for maker, status, pointer, parameter, takers in _LINKS:
        links = operations[maker]["responses"][status].setdefault("links", {})
        for taker in takers:
            assert taker in operations, taker
            links[taker] = {"operationId": taker, "parameters": {parameter: f"$response.body#/{pointer}"}}


def text(app: FastAPI) -> str:
    """The document as it is committed: docs/openapi.json."""
    return json.dumps(make(app), indent=1, ensure_ascii=False) + "\n"
