"""Control pages for tests and for people, `/_sim/...`: JSON in, JSON or JSON lines out.

It has a port of its own too, which stays open while the provider's is not."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from ops.simulator import clock
from ops.simulator.faults import NETWORK
from ops.simulator.hold import Holds
from ops.simulator.ledger import describe
from ops.simulator.listener import Listener
from ops.simulator.orders import ChangePlan, Fill, Inject, NewReply, Release, SetClock, SetFaults
from ops.simulator.provider import Provider
from ops.simulator.push import Pusher
from ops.simulator.replies import Reply

PREFIX = "/_sim/"
LINES_PER_WRITE = 2000


class Control:
    """Pages by name; one that changes something wants POST or DELETE."""

    def __init__(self, provider: Provider, holds: Holds, listener: Listener, pusher: Pusher) -> None:
        self.provider, self.holds, self.listener, self.pusher = provider, holds, listener, pusher
        self._pages: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] = {
            ("GET", "ledger"): self._ledger,
            ("GET", "table"): self._table,
            ("GET", "posts"): self._posts,
            ("GET", "calls"): self._calls,
            ("GET", "sent"): self._sent,
            ("GET", "sends"): self._sends,
            ("GET", "stats"): self._stats,
            ("GET", "held"): self._held,
            ("GET", "replies"): self._replies,
            ("GET", "pushes"): self._pushes,
            ("GET", "options"): self._options,
            ("GET", "faults"): self._faults,
            ("POST", "options"): self._set_options,
            ("POST", "faults"): self._set_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "clock"): self._clock,
            ("POST", "inject"): self._inject,
            ("POST", "reply"): self._reply,
            ("POST", "fill"): self._fill,
            ("POST", "plan"): self._plan,
            ("POST", "release"): self._release,
            ("POST", "release_lines"): self._release_lines,
            ("POST", "reset"): self._reset,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.removeprefix(PREFIX).strip("/")
        page = self._pages.get((request.method, name))
        if page is None:
            known = sorted(" ".join(key) for key in self._pages)
            return web.json_response({"error": f"no page {request.method} {name}", "pages": known}, status=404)
        try:
            return await page(request)
        except ValidationError as error:
            return web.json_response({"error": str(error)}, status=400)
        except ValueError as error:
            return web.json_response({"error": f"{name}: {error}"}, status=400)

    # -- what happened ---------------------------------------------------------------------------------------

    async def _ledger(self, request: web.BaseRequest) -> web.StreamResponse:
        self.provider.process()
        return await _stream(request, self.provider.ledger.lines())

    async def _table(self, request: web.BaseRequest) -> web.StreamResponse:
        self.provider.process()
        response = web.StreamResponse(headers={"Content-Type": "text/tab-separated-values; charset=utf-8"})
        await response.prepare(request)
        for piece in self.provider.ledger.table():
            await response.write(piece)
        await response.write_eof()
        return response

    async def _posts(self, request: web.BaseRequest) -> web.StreamResponse:
        return await _stream(request, map(describe, list(self.provider.ledger.posts)))

    async def _calls(self, request: web.BaseRequest) -> web.StreamResponse:
        return await _stream(request, list(self.provider.recent))

    async def _sent(self, request: web.BaseRequest) -> web.StreamResponse:
        self.provider.process()
        return web.json_response(self.provider.ledger.sent())

    async def _sends(self, request: web.BaseRequest) -> web.StreamResponse:
        by = request.query.get("by", "idinterno")
        if by not in ("idinterno", "pair"):
            raise ValueError(f"by must be idinterno or pair, not {by!r}")
        self.provider.process()
        return await _stream(request, self.provider.ledger.sends(pairs=by == "pair"))

    async def _stats(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(self.provider.stats())

    async def _held(self, request: web.BaseRequest) -> web.StreamResponse:
        count, timeout = int(request.query.get("count", 0)), float(request.query.get("timeout", 0))
        return web.json_response({"held": await self.holds.wait(count, timeout)})

    async def _replies(self, request: web.BaseRequest) -> web.StreamResponse:
        boxes = self.provider.inboxes.items()
        return await _stream(
            request, [{"account": account, **_shown(reply)} for account, box in boxes for reply in box.replies]
        )

    async def _pushes(self, request: web.BaseRequest) -> web.StreamResponse:
        return await _stream(request, list(self.provider.pushes))

    async def _options(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(self.provider.options.model_dump(mode="json"))

    async def _faults(self, request: web.BaseRequest) -> web.StreamResponse:
        switches = self.provider.faults.switches
        return web.json_response([{**s.fault.model_dump(), "seen": s.seen, "hits": s.hits} for s in switches])

    # -- what shall happen -----------------------------------------------------------------------------------

    async def _set_options(self, request: web.BaseRequest) -> web.StreamResponse:
        changes = await request.json()
        if not isinstance(changes, dict):
            raise ValueError("an object of options is wanted")
        # What is due has been judged under the old ones.
        self.provider.process()
        self.provider.change(changes)
        return await self._options(request)

    async def _set_faults(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = SetFaults.model_validate(await request.json())
        self.provider.faults.set(wanted.faults, replace=wanted.replace)
        for fault in wanted.faults:
            if fault.kind in NETWORK:
                go_away = self.listener.refuse if fault.kind == "refused" else self.listener.swallow
                await go_away(fault.seconds)
        return await self._faults(request)

    async def _clear_faults(self, request: web.BaseRequest) -> web.StreamResponse:
        self.provider.faults.clear()
        await self.listener.restore()
        return web.json_response([])

    async def _clock(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = SetClock.model_validate(await request.json())
        self.provider.process()
        self.provider.clock.change(**wanted.model_dump())
        now = self.provider.clock.now()
        return web.json_response({"now": clock.iso(now), "unix": now})

    async def _inject(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = Inject.model_validate(await request.json())
        now = int(self.provider.clock.now())
        rows = []
        for row in wanted.rows:
            fecha = now if row.fecha is None else clock.parse_stamp(row.fecha)
            if fecha is None:
                raise ValueError(f"fecha must read YYYYMMDDHHNNSS, not {row.fecha!r}")
            rows.append((row.idinterno, fecha, row.text))
        self.provider.account(wanted.account).inject(rows)
        return web.json_response({"rows": len(rows)})

    async def _reply(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = NewReply.model_validate(await request.json())
        reply = self.provider.reply(
            wanted.origen,
            wanted.texto,
            idinterno=wanted.idinterno,
            received=self._moment(wanted.fecha),
            account=wanted.account,
        )
        if wanted.push:
            self.pusher.push(reply)
        return web.json_response(_shown(reply))

    async def _fill(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = Fill.model_validate(await request.json())
        self.provider.fill(
            wanted.account,
            wanted.count,
            size=wanted.size,
            texto=wanted.texto,
            received=self._moment(wanted.fecha),
            read=wanted.read,
        )
        return web.json_response({"replies": len(self.provider.inbox(wanted.account).replies)})

    def _moment(self, fecha: str | None) -> float:
        return self.provider.clock.now() if fecha is None else float(clock.parse_iso(fecha))

    async def _plan(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = ChangePlan.model_validate(await request.json())
        account, now = self.provider.account(wanted.account), self.provider.clock.now()
        account.change_plan(now, top_up=wanted.top_up, new_month=wanted.new_month)
        return web.json_response(account.figures(now))

    async def _release_lines(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"released": self.provider.release_lines()})

    async def _release(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        wanted = Release.model_validate_json(raw or b"{}")
        return web.json_response({"released": self.holds.release(wanted.count, wanted.endpoint)})

    async def _reset(self, request: web.BaseRequest) -> web.StreamResponse:
        self.provider.reset()
        self.holds.release()
        await self.listener.restore()
        return web.json_response({})


def _shown(reply: Reply) -> dict[str, Any]:
    return {
        "id": reply.number,
        "origen": reply.origen,
        "texto": reply.texto,
        "fecha": clock.iso(reply.received),
        "idinterno": reply.idinterno,
        "read": reply.read,
    }


async def _stream(request: web.BaseRequest, objects: Iterable[dict[str, Any]]) -> web.StreamResponse:
    """JSON lines, in pieces: a million of them neither fill the memory nor stop the provider for long."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson; charset=utf-8"})
    await response.prepare(request)
    source = iter(objects)
    while piece := list(islice(source, LINES_PER_WRITE)):
        await response.write("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in piece).encode())
    await response.write_eof()
    return response
