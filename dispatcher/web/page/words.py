"""Words of the page for what has a name of its own in the code: roles, the parts of a campaign, why it waits."""

from __future__ import annotations

from dispatcher.access.roles import Role
from dispatcher.campaigns import reason_words
from dispatcher.campaigns.waits import Wait
from dispatcher.i18n.words import translated, worded
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
