"""What every call passes before its function runs: key, rate, scope, parameters, Idempotency-Key, body.

A body is read here, and parsed and validated in a thread: nothing that a stranger sends may hold up the event loop.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any, BinaryIO, Literal, cast

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import Headers

from dispatcher import audit_trail
from dispatcher.access import keys, replays
from dispatcher.access.keys import Key, KeyRefused
from dispatcher.access.scopes import Scope
from dispatcher.i18n import words
from dispatcher.i18n.words import speaking
from dispatcher.replies import push
from dispatcher.runtime import Runtime
from dispatcher.web import json_body
from dispatcher.web.api import document, parameters
from dispatcher.web.api.problems import Problem, language, of_fields
from dispatcher.web.api.rate import RateLimit
from dispatcher.web.incoming import read_body

log = logging.getLogger(__name__)

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a JSON body: 10,000 recipients of 1.6 KB each. Longer lists are uploaded."""

Idempotency = Literal["none", "optional", "required", "own", "file"]
"""`own`: the resource's own row keeps the key, so the route itself reads the header. `file`: optional; the body is read
by the route, which calls `once_of_file`."""

_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,200}")
_REPLAYED = ("location", "content-type")

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def needs(
    scope: Scope | None,
    *problems: str,
    idempotency: Idempotency = "none",
    max_body: int = MAX_BODY,
    example: Any = None,
    files: Sequence[str] = (),
    also: Mapping[int, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Arguments for a route's decorator: its scope (None = any key does), its own problem codes, its idempotency.

    `example` is one of its body; `max_body` the bytes that it takes; `files` its kinds
    where it is a file; `also` what else is answered, as FastAPI takes it.
    """
    return {
        "openapi_extra": document.extra(scope, idempotency, max_body, example, files),
        "responses": {**(also or {}), **document.responses(problems, idempotency)},
    }


class ApiRoute(APIRoute):
    """A route of the API."""

    def get_route_handler(self) -> _Handler:
        """FastAPI's own handler, behind our checks."""
        handle = super().get_route_handler()
        rule = cast("dict[str, Any]", self.openapi_extra)[document.RULE]
        known = parameters.names(self.dependant)

        async def guarded(request: Request) -> Response:
            began = time.monotonic()
            key = await run_in_threadpool(authenticate, request, rule["scope"])
            if request.method != "GET" and request.headers.get("content-encoding", "identity").lower() != "identity":
                raise Problem("compressed", headers={"Accept-Encoding": "identity"})
            request.state.caller = key
            # A sentence of the list's reader is worded where it is raised: there the language must be known.
            with audit_trail.acting_as(key.actor), speaking(language(request)):
                parameters.require_known(request, known)
                answer = await _call(self, rule, handle, request)
            answer.headers.setdefault("Cache-Control", "no-store")  # numbers and texts are for the caller alone
            took = (time.monotonic() - began) * 1000
            log.info("call operation=%s key=%s status=%s ms=%.0f", self.operation_id, key.id, answer.status_code, took)
            return answer

        return guarded


def api_router(tag: str) -> APIRouter:
    """A router for one resource, which the document shows under `tag`."""
    return APIRouter(route_class=ApiRoute, tags=[tag], redirect_slashes=False)


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _caller(request: Request) -> Key:
    key: Key = request.state.caller
    return key


def _given_key(request: Request) -> str | None:
    return request.headers.get("idempotency-key")


RuntimeOf = Annotated[Runtime, Depends(_runtime)]
"""Parameter of a route that works on the database."""
CallerOf = Annotated[Key, Depends(_caller)]
"""Parameter of a route that wants to know whose key it is."""
IdempotencyKeyOf = Annotated[str | None, Depends(_given_key)]
"""Parameter of a route with `idempotency="own"`; it was checked already."""


def require_scope(caller: Key, scope: Scope) -> None:
    """Refuse a caller whose key lacks a scope that depends on what the body asks for."""
    if scope not in caller.scopes:
        raise Problem("scope_missing", scope=str(scope), more={"scope": str(scope)})


def authenticate(request: Request, scope: str | None) -> Key:
    """The key of a call.

    Raises:
        Problem: there is none, it opens nothing, it calls too often, or it lacks the scope.
    """
    runtime = _runtime(request)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise Problem("key_missing")
    peer = request.client.host if request.client else None
    address = push.caller(peer, request.headers.getlist("x-forwarded-for"), runtime.settings.trusted_hops)
    place = str(address) if address is not None else None
    try:
        with runtime.engine.connect() as connection:
            key = keys.check(connection, given.strip(), place)
    except KeyRefused as error:
        log.warning("key_refused why=%s address=%s", error.why, place)
        raise Problem(f"key_{error.why}", address=place) from None
    limit: RateLimit = request.app.state.rate_limit
    if wait := limit.wait(key.id):
        raise Problem("rate_limited", headers={"Retry-After": str(int(wait + 0.999))})
    if scope is not None and scope not in key.scopes:
        raise Problem("scope_missing", scope=scope, more={"scope": scope})
    return key


async def _call(route: ApiRoute, rule: dict[str, Any], handle: _Handler, request: Request) -> Response:
    given = _checked_idempotency_key(request, rule["idempotency"])
    raw = b""
    if route.body_field is not None:
        request, raw = await _with_body(route, rule["max_body"], request)
    elif request.method != "GET" and not rule["file"]:
        await parameters.require_no_body(request)
    if given is None or rule["idempotency"] in ("own", "file"):
        return await handle(request)
    what = f"{request.method} {request.scope['path']}\n".encode() + raw
    call = replays.Call(str(route.operation_id), given, hashlib.sha256(what).hexdigest())
    return await _once(_runtime(request), call, handle, request)


def _checked_idempotency_key(request: Request, wanted: Idempotency) -> str | None:
    given = request.headers.get("idempotency-key")
    if wanted == "none":
        return None
    if given is None:
        if wanted == "required" or (wanted == "own" and request.method == "POST"):
            raise Problem("idempotency_key_missing")
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(given) or not given.strip():
        raise Problem("idempotency_key_invalid")
    return given


async def _once(runtime: Runtime, call: replays.Call, handle: _Handler, request: Request) -> Response:
    """Do what is asked for, unless it was done under this key before."""
    found = await run_in_threadpool(replays.begin, runtime.engine, call)
    if isinstance(found, replays.Answer):
        pairs = zip(found.headers[::2], found.headers[1::2], strict=True)
        return Response(found.body, found.status, {**dict(pairs), "Idempotent-Replayed": "true"})
    if found == "other":
        raise Problem("idempotency_key_reused")
    if found == "running":
        return Response(None, 202, {"Location": request.scope["path"], "Retry-After": "1"})
    try:
        answer = await handle(request)
    except BaseException:
        await run_in_threadpool(replays.forget, runtime.engine, call)
        raise
    if 200 <= answer.status_code < 300:
        headers = [text for pair in Headers(raw=answer.raw_headers).items() if pair[0] in _REPLAYED for text in pair]
        kept = replays.Answer(answer.status_code, tuple(headers), bytes(answer.body))
        await run_in_threadpool(replays.finish, runtime.engine, call, kept)
    else:
        await run_in_threadpool(replays.forget, runtime.engine, call)
    return answer


async def once_of_file(
    request: Request, operation: str, file: BinaryIO, status: int, do: Callable[[], BaseModel]
) -> Any:
    """Do something with a file that was the body, unless it was done under the call's Idempotency-Key before."""
    given = _given_key(request)
    if given is None:
        return await run_in_threadpool(do)
    file.seek(0)
    digest = await run_in_threadpool(lambda: hashlib.file_digest(cast("Any", file), "sha256"))
    target = request.scope["path"].encode() + b"?" + request.scope["query_string"]
    kind = request.headers.get("content-type", "").encode()
    what = hashlib.sha256(b"\n".join((target, kind, digest.digest()))).hexdigest()

    async def handle(request: Request) -> Response:
        made = await run_in_threadpool(do)
        return Response(made.model_dump_json(), status, media_type="application/json")

    return await _once(_runtime(request), replays.Call(operation, given, what), handle, request)


async def _with_body(route: ApiRoute, limit: int, request: Request) -> tuple[Request, bytes]:
    """The request with its JSON body read, parsed and validated; FastAPI takes over from there."""
    stated = request.headers.get("content-length", "")
    too_large = Problem("body_too_large", limit=limit, instead="Longer lists are uploaded: POST /api/v1/uploads.")
    if stated.isdigit() and (len(stated) > 12 or int(stated) > limit):
        raise too_large
    raw = await read_body(request, limit)
    if len(raw) > limit:
        raise too_large
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if raw and kind != "application/json":
        raise Problem("unsupported_media_type", kinds="application/json", headers={"Accept": "application/json"})
    ready = Request(request.scope, request.receive)
    ready._body = raw
    if raw:
        ready._json = await run_in_threadpool(_parse, route, raw)
    return ready, raw


def _parse(route: ApiRoute, raw: bytes) -> Any:
    try:
        value = json_body.parse(raw)
    except json_body.BadJson as error:
        raise Problem("bad_json", why=str(error)) from None
    assert route.body_field is not None
    validated, errors = route.body_field.validate(value, {}, loc=("body",))
    if errors:
        raise of_fields(cast("Sequence[Any]", errors), words.current())
    return validated
