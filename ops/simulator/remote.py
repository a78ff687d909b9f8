"""A running simulator from outside, through its control pages."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ControlError(Exception):
    """The simulator refused a control call; the message is its reason."""


class Remote:
    """Questions and orders for the simulator whose control pages are at `control_url`."""

    def __init__(self, control_url: str) -> None:
        self.control_url = control_url

    # -- what happened ---------------------------------------------------------------------------------------

    def ledger(self) -> Iterator[dict[str, Any]]:
        """Every line taken or ignored (`ignored` says why), one object each, as `ledger.lines_of` has it."""
        return self._lines("ledger")

    def table(self) -> bytes:
        """Every bulk line taken, as `ledger.Ledger.table` has it: a tenth of what `ledger` costs."""
        with self._open("GET", "table") as answer:
            data: bytes = answer.read()
        return data

    def posts(self) -> Iterator[dict[str, Any]]:
        """Every call that brought messages, by whatever `transport` (bulk, http, soap, smtp): when, bytes, lines
        offered and taken, the fault that hit it, what was answered."""
        return self._lines("posts")

    def calls(self) -> Iterator[dict[str, Any]]:
        """The latest 200,000 calls of every endpoint, in order."""
        return self._lines("calls")

    def sent(self) -> dict[str, Any]:
        """`lines`, `ok`, and what was `taken_twice`, `sent_twice` (by idinterno) or `pairs_sent_twice`."""
        return self._object("GET", "sent")

    def sends_by_idinterno(self) -> dict[str, dict[str, int]]:
        """How often each idinterno (in upper case) was `taken` and really `sent`; TEST lines count as neither."""
        return {one.pop("idinterno"): one for one in self._lines("sends?by=idinterno")}

    def sends_by_pair(self) -> dict[tuple[str, str], dict[str, int]]:
        """The same for each (destino, texto)."""
        return {(one.pop("destino"), one.pop("texto")): one for one in self._lines("sends?by=pair")}

    def stats(self) -> dict[str, Any]:
        return self._object("GET", "stats")

    def replies(self) -> Iterator[dict[str, Any]]:
        """Every reply in the inboxes, with its read flag."""
        return self._lines("replies")

    def pushes(self) -> Iterator[dict[str, Any]]:
        """Every try to push a reply: its id, the status that came back or the error."""
        return self._lines("pushes")

    def held(self, count: int = 0, timeout: float = 10.0) -> list[dict[str, Any]]:
        """The calls being held, once there are `count` or after `timeout` seconds."""
        held: list[dict[str, Any]] = self._object("GET", f"held?count={count}&timeout={timeout}")["held"]
        return held

    # -- what shall happen -----------------------------------------------------------------------------------

    def set_faults(self, *faults: dict[str, Any], replace: bool = False) -> None:
        """Switch faults on: the fields of `ops.simulator.faults.Fault`."""
        self._call("POST", "faults", {"faults": list(faults), "replace": replace})

    def clear_faults(self) -> None:
        """Switch every fault off and listen again; what is held stays held until `release`."""
        self._call("DELETE", "faults")

    def set_option(self, **options: Any) -> None:
        """Change options now; what was due before keeps its result."""
        self._call("POST", "options", options)

    def set_clock(
        self,
        *,
        offset: float | None = None,
        advance: float | None = None,
        at: str | None = None,
        speed: float | None = None,
    ) -> str:
        """Move the provider's clock; returns its `YYYY-MM-DD HH:MM:SS`."""
        wanted = {"offset": offset, "advance": advance, "at": at, "speed": speed}
        return str(self._object("POST", "clock", wanted)["now"])

    def inject(self, *rows: dict[str, Any], account: str = "main") -> None:
        """Add result rows `{idinterno, text, fecha}` that no POST brought."""
        self._call("POST", "inject", {"rows": list(rows), "account": account})

    def reply(self, origen: str, texto: str, **more: Any) -> dict[str, Any]:
        """A person answers: the fields of `ops.simulator.orders.NewReply`. Returns the reply with its id."""
        return self._object("POST", "reply", {"origen": origen, "texto": texto, **more})

    def fill_inbox(self, count: int, **more: Any) -> int:
        """Put many replies into the inbox: the fields of `ops.simulator.orders.Fill`; how many it holds then."""
        return int(self._object("POST", "fill", {"count": count, **more})["replies"])

    def change_plan(self, *, top_up: int = 0, new_month: bool = False, account: str = "main") -> dict[str, Any]:
        """Buy SMS, so that saldo rises; begin a month, so that envios falls to zero. Returns both."""
        return self._object("POST", "plan", {"top_up": top_up, "new_month": new_month, "account": account})

    def release_lines(self) -> int:
        """Let the lines go on that a stuck carrier keeps; how many. Later lines get stuck as before."""
        return int(self._object("POST", "release_lines")["released"])

    def release(self, count: int | None = None, endpoint: str = "*") -> int:
        """Let held calls go on; later ones are held as before while the fault is on."""
        return int(self._object("POST", "release", {"count": count, "endpoint": endpoint})["released"])

    def reset(self) -> None:
        """Forget lines, results, calls and faults; options and clock stay."""
        self._call("POST", "reset")

    # -- the wire --------------------------------------------------------------------------------------------

    def _open(self, method: str, page: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.control_url}/_sim/{page}", data=data, method=method)
        try:
            return _OPENER.open(request, timeout=120)
        except urllib.error.HTTPError as error:
            with error:
                raise ControlError(json.loads(error.read())["error"]) from None

    def _call(self, method: str, page: str, body: Any = None) -> Any:
        with self._open(method, page, body) as answer:
            return json.load(answer)

    def _object(self, method: str, page: str, body: Any = None) -> dict[str, Any]:
        answer: dict[str, Any] = self._call(method, page, body)
        return answer

    def _lines(self, page: str) -> Iterator[dict[str, Any]]:
        with self._open("GET", page) as answer:
            for line in answer:
                yield json.loads(line)
