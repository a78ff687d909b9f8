"""Changing a campaign that has not begun: its name, its times, its pace, its priority, its tags."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Engine, func, select

from dispatcher import audit_trail
from dispatcher.campaigns import summary
from dispatcher.campaigns.lifecycle import WrongState
from dispatcher.campaigns.schedule import days_off
from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.domain.window import parse_moment
from dispatcher.errors import UsageError

CHANGEABLE = ("draft", "scheduled", "paused")


def change(engine: Engine, settings: Settings, campaign_id: int, changes: dict[str, Any]) -> None:
    """Change what `changes` names: name, start, expires (None: none), not_on, rate, priority, tags, a draft's template.

    Raises:
        WrongState: it has begun, or is over; it is no draft, and the template should change.
        UsageError: there is no such campaign, or its deadline would not be after its start; the
            template does not fit its list.
    """
    moments = {name: _moment(name, changes) for name in ("start", "expires")}
    parameters = {
        "campaign_id": campaign_id,
        "name": changes.get("name"),
        "priority": changes.get("priority"),
        "sets_rate": "rate" in changes,
        "rate": changes.get("rate"),
        "tags": json.dumps(changes["tags"]) if "tags" in changes else None,
        "sets_start": "start" in changes,
        "start_at": moments["start"],
        "sets_expires": "expires" in changes,
        "expires_at": moments["expires"],
        "not_on": days_off(changes["not_on"] or ()).listed() if "not_on" in changes else None,
    }
    with engine.begin() as connection:
        shown = summary.show(connection, campaign_id)
        start = moments["start"] if "start" in changes else shown.start_at
        expires = moments["expires"] if "expires" in changes else shown.expires_at
        now = connection.execute(select(func.now())).scalar_one()
        if expires is not None and expires <= max(start or now, now):
            raise UsageError("expires is not after the start, so nothing could be sent.", hint="Give a later one.")
        if connection.execute(query("change_campaign"), parameters).first() is None:
            state = summary.show(connection, campaign_id).state
            raise WrongState(campaign_id, state, "be changed: it has begun", CHANGEABLE)
        if "template" in changes:
            from dispatcher.campaigns import rendering  # polars comes with it

            rendering.render_anew(connection, engine, settings, campaign_id, changes["template"])
        audit_trail.record(connection, "campaign.change", campaign_id, detail={"fields": sorted(changes)})


def _moment(name: str, changes: dict[str, Any]) -> Any:
    given = changes.get(name)
    return None if given is None else parse_moment(given, name)
