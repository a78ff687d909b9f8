"""The home page: what runs, what comes, what needs a decision, the balance, the last seven days."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection

from dispatcher.access.roles import Role
from dispatcher.accounts import account_state, balances, binding
from dispatcher.campaigns import overview, preparations, waits
from dispatcher.campaigns.progress import progress
from dispatcher.campaigns.summary import Summary
from dispatcher.config import Settings
from dispatcher.i18n.words import worded
from dispatcher.maintenance import workers_seen
from dispatcher.web.page import words
from dispatcher.web.page.parts import of_summary
from dispatcher.web.page.routing import RuntimeOf, VisitorOf, needs, page_router
from dispatcher.web.page.shared_looks import shared
from dispatcher.web.page.show import number, show

routes = page_router()

_FAST, _SLOW = 4, 30
"""Seconds between two looks of the live part: while something runs, and while nothing does."""


@routes.get("/", **needs(Role.VIEWER))
def home(request: Request, runtime: RuntimeOf, visitor: VisitorOf) -> Response:
    """What somebody wants to know first."""
    with runtime.engine.connect() as connection:
        shown = _live(connection, runtime.settings)
        preparing = preparations.open_ones(connection) if visitor.may("operator") else []
        bound = binding.find(connection, runtime.settings)
        days = overview.last_days(connection, bound.id, datetime.now(UTC)) if bound is not None else []
        balance = balances.last(connection, bound.id) if bound is not None else None
        account = account_state.state(connection, runtime.settings)
    return show(
        request,
        "home.html",
        **shown,
        preparing=preparing,
        columns=[(f"{each.day:%d/%m}", _parts(each.codes)) for each in days],
        has_results=any(each.codes for each in days),
        days=days,
        balance=balance,
        account=account,
        window=words.hours(runtime.settings.sending_window),
    )


@routes.get("/live", **needs(Role.VIEWER))
def live(request: Request, runtime: RuntimeOf, visitor: VisitorOf) -> Response:
    """The part of the home page that changes by itself."""

    def look() -> Response:
        with runtime.engine.connect() as connection:
            shown = _live(connection, runtime.settings)
        return show(request, "home_live.html", **shown)

    return shared(request, visitor, "home", look)


def _live(connection: Connection, settings: Settings) -> dict[str, object]:
    found = overview.overview(connection)
    unseen = workers_seen.complaint(connection)
    return {
        "running": [_card(connection, settings, each) for each in found.running],
        "scheduled": [_card(connection, settings, each) for each in found.scheduled],
        "drafts": [_card(connection, settings, each) for each in found.drafts],
        "held": found.held,
        "watched": found.watched,
        "review": overview.replies_to_review(connection),
        "webhooks": overview.disabled_webhooks(connection),
        "unseen": unseen,
        "again_in": _FAST if found.running else _SLOW,
    }


def _card(connection: Connection, settings: Settings, shown: Summary) -> dict[str, object]:
    coming = progress(connection, settings, shown)
    return {
        "it": shown,
        "parts": of_summary(shown),
        "progress": coming,
        "why": words.waiting(waits.wait(settings, shown)),
        "said": worded("{done} of {all} final", done=number(shown.final), all=number(shown.messages)),
    }


def _parts(codes: dict[int, int]) -> list[tuple[str, int, str]]:
    ok = codes.get(0, 0) + codes.get(1, 0)
    bad = sum(n for code, n in codes.items() if code < 0)
    return [
        ("ok", ok, worded("{n} accepted by the phone company", n=number(ok))),
        ("bad", bad, worded("{n} rejected", n=number(bad))),
    ]
