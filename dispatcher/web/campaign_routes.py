"""Campaigns over HTTP: hand one in, ask for its state. The same as the task `dispatcher.create_campaign`."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from dispatcher.campaigns import lifecycle, request_intake
from dispatcher.config import Settings
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.errors import UsageError
from dispatcher.runtime import Runtime
from dispatcher.web import json_body
from dispatcher.web.database_errors import failed
from dispatcher.web.incoming import carries, knows, read_body

log = logging.getLogger(__name__)

MAX_BYTES = 16 * 1024 * 1024
"""Of a body: 10,000 recipients of 1.6 KB each. Longer lists go into HOME/lists as a file."""

# 202: hand the same in again to learn what became of it. 409: the key is another payload's.
_STATUS = {"created": 201, "received": 202, "refused": 422, "failed": 422, "other_payload": 409}


def router(runtime: Runtime) -> APIRouter:
    """The routes under /campaigns."""
    routes = APIRouter()

    @routes.post("/campaigns")
    @routes.post("/campaigns/")
    async def create(request: Request) -> JSONResponse:
        refusal = _refuse(runtime.settings, request)
        if refusal is not None:
            return refusal
        body = await read_body(request, MAX_BYTES)
        if len(body) > MAX_BYTES:
            return _error(
                413, f"The body has more than {MAX_BYTES} bytes: put the list into HOME/lists, name it in file."
            )
        try:
            payload = await run_in_threadpool(json_body.parse, body)
        except json_body.BadJson as error:
            return _error(400, str(error))
        if not isinstance(payload, dict):
            return _error(400, "The body must be a JSON object.")
        key = request.headers.get("idempotency-key")
        if key is not None and payload.setdefault("idempotency_key", key) != key:
            return _error(400, "The header Idempotency-Key and the field idempotency_key differ: give one of them.")
        return await run_in_threadpool(_create, runtime, payload)

    @routes.get("/campaigns/{campaign_id}")
    @routes.get("/campaigns/{campaign_id}/")
    async def show(request: Request, campaign_id: str) -> JSONResponse:
        refusal = _refuse(runtime.settings, request)
        if refusal is not None:
            return refusal
        return await run_in_threadpool(_show, runtime, campaign_id)

    return routes


def _refuse(settings: Settings, request: Request) -> JSONResponse | None:
    """Why this caller gets nothing; None when it may go on."""
    if settings.api_token is None:
        return _error(403, "Campaigns over HTTP are switched off: set DISPATCHER_API_TOKEN where the API runs.")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not knows(token.strip(), settings.api_token):
        log.warning("api_refused address=%s", request.client.host if request.client else None)
        answer = _error(401, "Send the header Authorization: Bearer, with the token of DISPATCHER_API_TOKEN.")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    if not carries(request, "application/json", unsaid=False):
        return _error(415, "Send the campaign as application/json.")
    return None


def _create(runtime: Runtime, payload: dict[str, Any]) -> JSONResponse:
    try:
        outcome = request_intake.receive(runtime.engine, runtime.settings, payload)
    except DRIVER_ERRORS as error:
        return failed(error, "The campaign could not be stored just now: send the same again, under the same key.")
    answer = {"state": outcome.state, "campaign_id": outcome.campaign_id, "error": outcome.error}
    headers = {"Location": f"/campaigns/{outcome.campaign_id}"} if outcome.campaign_id else None
    return JSONResponse(answer, _STATUS[outcome.state], headers)


def _show(runtime: Runtime, campaign_id: str) -> JSONResponse:
    try:
        well_formed = len(campaign_id) < 20 and campaign_id.isascii() and campaign_id.isdigit()
        number = int(campaign_id) if well_formed else 0
        if not 0 < number < 2**63:
            return _error(
                404, "There is no such campaign: its number is the campaign_id of the answer to POST /campaigns."
            )
        with runtime.engine.connect() as connection:
            return JSONResponse(lifecycle.show(connection, number).as_json())
    except UsageError as error:
        return _error(404, str(error))
    except DRIVER_ERRORS as error:
        return failed(error, "The database does not answer just now: ask again.")


def _error(status: int, words: str) -> JSONResponse:
    return JSONResponse({"error": words}, status)
