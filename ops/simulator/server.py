"""The HTTP side: reads a call as IIS would, lets faults at it, asks the endpoint, sends the answer."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

from aiohttp import web

from ops.simulator import answers, endpoints, soap, wire
from ops.simulator.answers import Answer
from ops.simulator.calls import Call, Endpoint, account_of, refusal_of_caller
from ops.simulator.faults import ANSWERS, WIRES, Fault
from ops.simulator.forms import Fields, Parameters
from ops.simulator.hold import Holds
from ops.simulator.provider import Provider

FORM = "application/x-www-form-urlencoded"
NO_FIELDS = Fields(b"")
FORGOTTEN = Fault(kind="close")  # what a reset does to calls in flight
# Even a body that will be refused is read to its end, as IIS does before it answers; this bounds the memory.
READ_AT_MOST = 256 * 1024 * 1024


class Server:
    """Handles the provider's pages; `control` has the pages under `/_sim`."""

    def __init__(self, provider: Provider, holds: Holds) -> None:
        self.provider, self.holds = provider, holds

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        page = unquote(path).rpartition("/")[2].lower()
        endpoint = endpoints.ENDPOINTS.get(page)
        if endpoint is None and not soap.serves(path):
            await _read(request)
            return wire.whole(answers.NOT_FOUND)
        if request.method not in ("GET", "POST"):
            return wire.whole(answers.METHOD_REFUSED)
        try:
            body = await _read(request)
        except (ConnectionError, web.RequestPayloadError):
            self.provider.count("cut_off", page, None)
            return wire.whole(answers.SCRIPT_FAILED)
        form = Fields(body) if request.content_type == FORM else NO_FIELDS
        parameters = Parameters(Fields(query.encode("latin-1", "replace")), form)
        if endpoint is None:
            asked = soap.Request(path, request.method, parameters, request.host, body)
            endpoint, parameters = soap.find(asked)
        call = Call(endpoints.name_of(endpoint, parameters), parameters, request.remote or "", len(body))
        too_large = self._size_refusal(len(body), form)
        with self.provider.flight(call.endpoint):
            return await self._answer(request, endpoint, call, too_large)

    async def _answer(
        self, request: web.BaseRequest, endpoint: Endpoint, call: Call, too_large: Answer | None
    ) -> web.StreamResponse:
        call.hits = self.provider.faults.hit(call.endpoint)
        detail = call.parameters.text("idinterno") or call.parameters.text("fecha")
        self.provider.count(call.endpoint, detail, call.hits.label)
        life = self.provider.life
        await self._wait(call, "before")
        if life != self.provider.life:
            return await wire.send(request, answers.SCRIPT_FAILED, FORGOTTEN)
        answer = self._ask(endpoint, call, too_large)
        await self._wait(call, "after")
        if life != self.provider.life:
            return await wire.send(request, answers.SCRIPT_FAILED, FORGOTTEN)
        replacement = call.hits.first(ANSWERS)
        if replacement is not None:
            answer = self._replaced(replacement, endpoint, call)
        broken = call.hits.first(WIRES)
        self._note(call, f"{broken.kind} of {answer.summary}" if broken else answer.summary)
        return await wire.send(request, answer, broken)

    def _replaced(self, fault: Fault, endpoint: Endpoint, call: Call) -> Answer:
        if fault.kind != "sentence":
            return answers.faulty(fault)
        options = self.provider.options
        words = answers.sentence(fault, ip=call.ip, credit=options.credit, expires=options.contract_expires)
        return endpoint.refuse(words)

    def _ask(self, endpoint: Endpoint, call: Call, too_large: Answer | None) -> Answer:
        provider = self.provider
        refusal = refusal_of_caller(provider, call) if endpoint.credentials else None
        if endpoint.posts:
            self._open_post(call, None if refusal else account_of(provider, call).name, endpoint.posts)
        if too_large is not None:
            return too_large
        return endpoint.handle(provider, call) if refusal is None else endpoint.refuse(refusal)

    def _open_post(self, call: Call, account: str | None, transport: str) -> None:
        call.post = self.provider.open_post(account or "", call.body_bytes, transport)
        call.post.fault = call.hits.label

    def _note(self, call: Call, summary: str) -> None:
        if call.post is not None:
            self.provider.ledger.note(call.post, summary)

    async def _wait(self, call: Call, when: str) -> None:
        for fault in call.hits.of(("slow", "hold")):
            if fault.when != when:
                continue
            if fault.kind == "slow":
                await asyncio.sleep(fault.seconds if fault.seconds is not None else 1.0)
            else:
                await self.holds.hold(call.endpoint, call.post.number if call.post else None, when)
        if when == "after" and self.provider.options.latency:
            await asyncio.sleep(self.provider.options.latency)

    def _size_refusal(self, size: int, form: Fields) -> Answer | None:
        options = self.provider.options
        if options.max_body and size > options.max_body:
            return answers.BODY_TOO_LARGE
        if options.max_field and form.largest > options.max_field:
            return answers.FIELD_TOO_LARGE
        return None


async def _read(request: web.BaseRequest) -> bytes:
    """The whole body. Clients that ask first are told to go on."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    pieces: list[bytes] = []
    size = 0
    while True:
        piece = await request.content.readany()
        if not piece:
            return b"".join(pieces)
        size += len(piece)
        if size <= READ_AT_MOST:
            pieces.append(piece)
