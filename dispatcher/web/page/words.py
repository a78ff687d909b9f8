"""Words of the page for what has a name of its own in the code: roles, the parts of a campaign, why it waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from babel.dates import get_day_names

from dispatcher.access.roles import Role
from dispatcher.campaigns import reason_words
from dispatcher.campaigns.waits import Wait
from dispatcher.domain.days_off import HOLIDAYS
from dispatcher.domain.opening_hours import MINUTES_A_DAY, Hours
from dispatcher.domain.window import Window
from dispatcher.i18n.words import current, translated, worded
from dispatcher.web.page import show

_ROLES = {
    Role.VIEWER: "viewer: sees counts",
    Role.OPERATOR: "operator: prepares campaigns",
    Role.SENDER: "sender: releases campaigns",
    Role.ADMIN: "admin: manages users and keys",
}


def role(name: str) -> str:
    """A role, and what it may."""
    return translated(_ROLES[Role(name)])


def waiting(wait: Wait | None) -> str:
    """Why a campaign sends nothing now, in a sentence; empty when it sends."""
    if wait is None:
        return ""
    at = show.moment(wait.until) if wait.until is not None else ""
    said = {
        "draft": translated("It is a draft: somebody must release it."),
        "paused": translated("It is paused."),
        "blocked": translated("The provider refuses the account."),
        "results": translated("All is handed in; results are awaited."),
        "start": worded("It begins on {at}.", at=at),
        "window": worded("Outside the hours of sending: it goes on at {at}.", at=at),
        "rate": translated("The rate lets the next ones go in a moment."),
    }[wait.why]
    return f"{said} ({reason_words.why(wait.words)})" if wait.words else said


def hours(window: Window) -> str:
    """The hours of sending by weekday: "Mon to Fri 09:00-20:00, Sat 10:00-13:00"; days of the same hours together."""
    names = get_day_names("abbreviated", locale="es_AR" if current() == "es" else "en_GB")
    runs: list[tuple[int, int, Hours]] = []
    for day, on_it in enumerate(window.week):
        if on_it is None:
            continue
        if runs and runs[-1][1] == day - 1 and runs[-1][2] == on_it:
            runs[-1] = (runs[-1][0], day, on_it)
        else:
            runs.append((day, day, on_it))
    if len(runs) == 1 and runs[0][:2] == (0, 6):
        return _span(runs[0][2])
    said = [
        f"{names[first]} {_span(on_it)}"
        if first == last
        else worded("{first} to {last} {hours}", first=names[first], last=names[last], hours=_span(on_it))
        for first, last, on_it in runs
    ]
    return ", ".join(said)


def _span(hours: Hours) -> str:
    closes = hours.closes if hours.closes <= MINUTES_A_DAY else hours.closes - MINUTES_A_DAY
    return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (hours.opens, closes))


def days_off(listed: Sequence[str]) -> str:
    """Days on which nothing of a campaign goes: holidays, and dates."""
    named = {HOLIDAYS: translated("national holidays")}
    return ", ".join(named.get(each) or show.day(date.fromisoformat(each)) for each in listed)


_LEFT_OUT = {
    "optout": "on the opt-out list",
    "no_llame": "in the No Llame registry",
    "undeliverable": "on the do-not-send list",
}

_REASONS = {
    "erased": "erased person",
    "duplicate": "repeated number",
    "field_empty": "empty field",
    "formula_error": "formula with an error",
    "value_cut": "value that was cut",
    "sign_before_words": "sign before words",
    "value_no_amount": "no amount",
    "value_no_date": "no date",
    "damaged_text": "damaged text",
    "fields_missing": "too few fields",
    "fields_extra": "too many fields",
    "open_quote": "quote that is not closed",
    "row_too_long": "row that is too long",
    "nul_byte": "NUL character",
    "bad_json": "bad JSON",
    "two_values": "two values for one column",
    "value_nested": "list or object as a value",
    "not_an_object": "no object",
    "number_empty": "no number",
    "number_foreign": "foreign number",
    "number_cut": "number that was cut",
    "headings_again": "headings again",
    "number_characters": "number with other characters",
    "number_two": "several numbers in a cell",
    "number_service": "service number",
    "number_ambiguous": "ambiguous number",
    "number_area": "unknown area code",
    "number_local": "number without area code",
    "number_prefix": "number with a wrong prefix",
    "number_too_short": "number that is too short",
    "number_too_long": "number that is too long",
    "placeholder_left": "placeholder that was not filled in",
    "text_characters": "characters that SMS does not have",
    "text_empty": "empty text",
    "text_too_long": "text that is too long",
    "verification_without_company": "code without the company's name",
}


def left_out(reason: str) -> str:
    """Why a message is left out, in a few words."""
    return translated(_LEFT_OUT.get(reason.partition("_at_")[0], reason))


def invalid(reason: str) -> str:
    """Why a row is invalid, in a few words."""
    return translated(_REASONS.get(reason, reason))
