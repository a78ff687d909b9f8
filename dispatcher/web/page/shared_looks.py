"""One look at a live part serves all who would see the same within a second: 20 open pages cost as much as one."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from fastapi import Request
from fastapi.responses import Response

from dispatcher.i18n.words import current
from dispatcher.web.page.routing import Visitor, prefix, runtime_of

_SECONDS = 1.0
"""Shorter than the time between two looks: nobody sees something older than what is on their page."""
_MOST = 500


def shared(request: Request, visitor: Visitor, what: Hashable, look: Callable[[], Response]) -> Response:
    """The answer of `look`, or that to somebody else with the same role, language and address, of just now."""
    if not hasattr(request.app.state, "looks"):
        request.app.state.looks = {}
    known: dict[Hashable, tuple[float, Response]] = request.app.state.looks
    # With two approvals, who prepared a campaign sees something else than who did not.
    who = visitor.user.id if runtime_of(request).settings.approval == "two" else None
    key = (what, visitor.user.role, who, current(), prefix(request))
    now = time.monotonic()
    found = known.get(key)
    if found is None or now - found[0] > _SECONDS:
        if len(known) >= _MOST:
            known.clear()
        found = known[key] = (now, look())
    headers = {name: value for name, value in found[1].headers.items() if name != "content-length"}
    return Response(found[1].body, found[1].status_code, headers)
