"""What the users of the page may do: four roles, each with the rights of those before it. Pure."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a user of the page may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SENDER = "sender"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether this role may do what the other one may."""
        return _ORDER[self] >= _ORDER[other]


_ORDER = {role: rank for rank, role in enumerate(Role)}

MEANINGS = {
    Role.VIEWER: "sees campaigns and counts, no numbers and no texts",
    Role.OPERATOR: "sees numbers and texts, prepares campaigns, pauses and cancels, handles replies and opt-outs",
    Role.SENDER: "releases campaigns, resumes them, sends answers, decides what is in doubt",
    Role.ADMIN: "manages users, keys and webhooks",
}
