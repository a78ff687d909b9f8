"""Two pairs of eyes: with DISPATCHER_APPROVAL=two nobody releases what they prepared, nothing goes by itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from dispatcher import audit_trail
from dispatcher.campaigns import preparations
from dispatcher.config import Settings
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from schemas import tables


class OwnWork(UsageError):
    """Who prepared a campaign must not release it."""


def require_draft(settings: Settings, *, draft: bool, append_to: int | None) -> None:
    """Let a list become a draft alone.

    Raises:
        UsageError: it would be sent without anybody's approval.
    """
    if settings.approval == "one":
        return
    if append_to is not None:
        raise UsageError(
            translated("Two people must approve what is sent here, so no list is appended to a released campaign."),
            hint=translated("Load the list as a draft of its own."),
        )
    if not draft:
        raise UsageError(
            translated("Two people must approve what is sent here, so a list is only taken as a draft."),
            hint=translated("Make it a draft (--draft); somebody else releases it."),
        )


def require_another(connection: Connection, settings: Settings, campaign_id: int) -> None:
    """Let somebody release a campaign who had no part in what it says.

    Raises:
        OwnWork: the one who acts made it, or changed its text.
    """
    if settings.approval == "two" and str(audit_trail.current()) in prepared_by(connection, campaign_id):
        raise OwnWork(
            worded("You prepared campaign {number}: somebody else must release it.", number=campaign_id),
            hint=translated("Ask another person with the role sender."),
        )


def prepared_by(connection: Connection, campaign_id: int) -> set[str]:
    """Who made a campaign, who changed its text, and who had a hand in its preparation on the page."""
    campaign, entry, request = tables.campaign, tables.audit_entry, tables.campaign_request
    maker = connection.execute(select(campaign.c.created_by).where(campaign.c.id == campaign_id)).scalar()
    changed: Any = entry.c.detail["fields"].contains(["template"])
    of_text = (entry.c.campaign_id == campaign_id) & (entry.c.action == "campaign.change") & changed
    keys = select(request.c.idempotency_key).where(
        request.c.reserved_id == campaign_id, request.c.campaign_id == campaign_id
    )
    prepared = [number for key in connection.execute(keys).scalars() if (number := preparations.number_of(key))]
    hands = of_text if not prepared else of_text | entry.c.detail["preparation"].astext.in_(prepared)
    found = connection.execute(select(entry.c.actor_kind, entry.c.actor).where(hands))
    return {f"{row.actor_kind} {row.actor}" for row in found} | ({maker} if maker else set())
