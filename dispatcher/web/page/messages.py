"""The messages of a campaign as a table that can be searched, and each with its whole life."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from dispatcher.access.roles import Role
from dispatcher.campaigns import details, invalid_rows, message_search, one_message, summary
from dispatcher.campaigns.message_search import Search
from dispatcher.campaigns.outcome_words import outcome
from dispatcher.campaigns.summary import NoCampaign
from dispatcher.config import Settings
from dispatcher.db.storable import storable
from dispatcher.domain import phone
from dispatcher.i18n import terms
from dispatcher.web.page import words
from dispatcher.web.page.routing import FormOf, RuntimeOf, needs, page_router
from dispatcher.web.page.sealed import opened, seal
from dispatcher.web.page.show import go, show
from dispatcher.web.page.typed import LARGEST_SEQ, whole_number
from schemas.states import MessageStatus

routes = page_router()

_SHOWN = 50
_INVALID_SHOWN = 50


@routes.get("/campaigns/{campaign_id:int}/messages", **needs(Role.OPERATOR))
def listing(
    request: Request,
    runtime: RuntimeOf,
    campaign_id: int,
    status: str = "",
    code: str = "",
    who: str = "",
    after: str = "",
) -> Response:
    """A page of messages, by status and code, and by number and own id, which are sealed in its address."""
    number, _, own = ((opened(request, who) if who else None) or "").partition("\n")
    wanted, odd = _wanted(runtime.settings, status, code, number, own)
    known = max(whole_number(after, LARGEST_SEQ) or 0, 0)
    with runtime.engine.connect() as connection:
        it = summary.show(connection, campaign_id)
        found = message_search.search(connection, campaign_id, wanted, known, _SHOWN)
    asked = {"status": wanted.status or "", "code": "" if wanted.code is None else wanted.code}
    return show(
        request,
        "messages.html",
        it=it,
        rows=found.rows if not odd else [],
        next=found.next if not odd else None,
        searched_to=found.searched_to,
        after=known,
        asked={**asked, "number": number, "own": own},
        address={**asked, "who": who if number or own else ""},
        odd=odd,
        statuses=[str(each) for each in MessageStatus],
        codes=sorted({*it.result_codes, *([wanted.code] if wanted.code is not None else [])}, reverse=True),
    )


@routes.post("/campaigns/{campaign_id:int}/messages", **needs(Role.OPERATOR))
def search(request: Request, campaign_id: int, form: FormOf) -> Response:
    """Search by status, code, number in any form, or own id."""
    number, own = (storable(form.text(name)).replace("\n", " ") for name in ("number", "own"))
    who = seal(request, f"{number[:100]}\n{own[:500]}") if number or own else ""
    asked = {"status": form.text("status")[:20], "code": form.text("code")[:20], "who": who}
    return go(request, f"/campaigns/{campaign_id}/messages", **asked)


def _wanted(settings: Settings, status: str, code: str, number: str, own: str) -> tuple[Search, str]:
    """What is asked for; and what is wrong with the number, in a sentence."""
    digits, odd = None, ""
    if written := storable(number).strip()[:100]:
        read = phone.normalise(written, settings.country)
        digits, odd = (read, "") if isinstance(read, str) else (None, read.detail)
    wanted_code = whole_number(code)
    return (
        Search(
            status=MessageStatus(status) if status in set(MessageStatus) else None,
            code=wanted_code if wanted_code in terms.RESULT_CODES else None,
            number=digits,
            external_id=storable(own).strip()[:500] or None,
        ),
        odd,
    )


@routes.get("/campaigns/{campaign_id:int}/messages/{seq:int}", **needs(Role.OPERATOR))
def message(request: Request, runtime: RuntimeOf, campaign_id: int, seq: int, row: str = "") -> Response:
    """All that is known of one message; with `row`, its list is read up to its line."""
    with runtime.engine.connect() as connection:
        it = summary.show(connection, campaign_id)
        life = one_message.of_campaign(connection, campaign_id, seq)
        if life is None:
            raise NoCampaign(str(seq))
        came = details.row_of(connection, campaign_id, seq)
        kept = bool(details.kept_lists(connection, campaign_id))
    cells: list[tuple[str, str]] = []
    if kept and row and came is not None:
        from dispatcher.campaigns import list_results  # polars comes with it

        cells = list_results.row_at(runtime.engine, runtime.settings, campaign_id, came.line, seq)
    return show(
        request,
        "message.html",
        it=it,
        life=life,
        came=came,
        kept=kept and not cells,
        cells=cells,
        outcome_word=outcome,
        left_out_word=words.left_out,
    )


@routes.get("/campaigns/{campaign_id:int}/invalid", **needs(Role.OPERATOR))
def invalid(request: Request, runtime: RuntimeOf, campaign_id: int, after: str = "") -> Response:
    """The rows of its lists that became no message, each with why."""
    with runtime.engine.connect() as connection:
        it = summary.show(connection, campaign_id)
        found = invalid_rows.page(connection, campaign_id, _place(after), _INVALID_SHOWN + 1)
        lists = details.lists(connection, campaign_id)
    more: Any = found[_INVALID_SHOWN - 1] if len(found) > _INVALID_SHOWN else None
    return show(
        request,
        "invalid_rows.html",
        it=it,
        rows=found[:_INVALID_SHOWN],
        lists=lists,
        after=after,
        next=f"{more.list_no}-{more.line}" if more else None,
    )


def _place(after: str) -> tuple[int, int]:
    list_no, _, line = after.partition("-")
    return whole_number(list_no, 2**15 - 1) or 0, whole_number(line) or 0
