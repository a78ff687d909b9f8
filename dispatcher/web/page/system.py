"""The account and the system: balance over time, this month's use, what the doctor says, where Flower is."""

from __future__ import annotations

import csv
import io
import threading
import time
from datetime import UTC, datetime

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import State

from dispatcher.access.roles import Role
from dispatcher.accounts import account_state, balances, binding
from dispatcher.campaigns import usage
from dispatcher.config import Settings
from dispatcher.domain.formulas import harmless_in_csv
from dispatcher.domain.window import provider_local
from dispatcher.i18n.words import Language, current, translated
from dispatcher.maintenance import doctor, queues
from dispatcher.maintenance.side_by_side import Check
from dispatcher.web.page import words
from dispatcher.web.page.routing import RuntimeOf, needs, page_router
from dispatcher.web.page.show import secure, show

routes = page_router()

_DAYS = 30


@routes.get("/system", **needs(Role.VIEWER))
def system(request: Request, runtime: RuntimeOf) -> Response:
    """The account, and links to the rest; the doctor is asked by the page itself."""
    month = provider_local(datetime.now(UTC)).date().replace(day=1)
    with runtime.engine.connect() as connection:
        bound = binding.find(connection, runtime.settings)
        days = balances.by_day(connection, bound.id, _DAYS) if bound is not None else []
        used = usage.by_campaign(connection, bound.id, month) if bound is not None else []
        account = account_state.state(connection, runtime.settings)
    port = runtime.settings.flower_port
    return show(
        request,
        "system.html",
        readings=[each for each in days if each.saldo is not None],
        used=used,
        month=month,
        account=account,
        window=words.hours(runtime.settings.sending_window),
        queues=queues.lengths(runtime.settings),
        flower=f"http://127.0.0.1:{port}" if port else "",
    )


@routes.get("/system/checks", **needs(Role.VIEWER))
def checks(request: Request, runtime: RuntimeOf) -> Response:
    """What the doctor says, which takes some seconds: a part of the page, or a page of its own without JavaScript."""
    found = _examined(request.app.state, runtime.settings, current())
    name = "system_checks.html" if request.headers.get("hx-request") == "true" else "system_checks_page.html"
    return show(request, name, checks=found)


@routes.get("/system/usage.csv", **needs(Role.VIEWER))
def download(request: Request, runtime: RuntimeOf, month: str = "") -> Response:
    """A month's use by campaign, for whoever pays."""
    try:
        first = datetime.strptime(month, "%Y-%m").date()
        first.replace(year=first.year + 1)  # the month has a following one
    except ValueError:
        first = provider_local(datetime.now(UTC)).date().replace(day=1)
    with runtime.engine.connect() as connection:
        bound = binding.find(connection, runtime.settings)
        used = usage.by_campaign(connection, bound.id, first, limit=None) if bound is not None else []
    written = io.StringIO()
    table = csv.writer(written, delimiter=runtime.settings.csv_divider, lineterminator="\r\n")
    headings = ("campaign", "name", "created by", "handed in", "accepted", "rejected")
    table.writerow([translated(each) for each in headings])
    for each in used:
        texts = (harmless_in_csv(each.name), harmless_in_csv(each.created_by or ""))
        table.writerow([each.campaign_id, *texts, each.handed_in, each.accepted, each.rejected])
    headers = {**secure(request), "Content-Disposition": f'attachment; filename="uso-{first:%Y-%m}.csv"'}
    return Response(written.getvalue().encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)


_EXAMINED_FOR = 15.0
"""Seconds that one examination serves every page: it asks the provider, too."""
_one_at_a_time = threading.Lock()


_PATIENCE = 2.0
"""Seconds that a page waits for the examination of another one: it must not keep the threads of all pages."""


def _examined(state: State, settings: Settings, language: Language) -> list[Check]:
    """What the doctor said last, in this language; empty when somebody else is still waiting for the first answer."""
    if not hasattr(state, "examined"):
        state.examined = {}
    known: dict[Language, tuple[float, list[Check]]] = state.examined
    if not _one_at_a_time.acquire(timeout=_PATIENCE):
        return known[language][1] if language in known else []
    try:
        if language not in known or time.monotonic() - known[language][0] > _EXAMINED_FOR:
            known[language] = (time.monotonic(), doctor.examine(settings))
        return known[language][1]
    finally:
        _one_at_a_time.release()
