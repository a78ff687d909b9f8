"""Words of the page for what has a name of its own in the code: roles, the parts of a campaign, why it waits."""

from __future__ import annotations

from dispatcher.access.roles import Role
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
    return f"{said} ({wait.words})" if wait.words else said
