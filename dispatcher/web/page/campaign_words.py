"""Words for what happens to a campaign: what was done to it, what came of a POST, what is asked before an action."""

from __future__ import annotations

from dispatcher.i18n.words import translated


def action(name: str) -> str:
    """What was done to a campaign, as the audit trail names it."""
    known = {
        "campaign.create": translated("created"),
        "campaign.append": translated("a list was added"),
        "campaign.change": translated("changed"),
        "campaign.send": translated("released"),
        "campaign.pause": translated("paused"),
        "campaign.resume": translated("resumed"),
        "campaign.cancel": translated("cancelled"),
        "campaign.retry": translated("a draft was made of rejected messages"),
        "campaign.resolve": translated("a doubt was decided"),
        "campaign.download": translated("results were downloaded"),
        "campaign.certificate": translated("a certificate was made"),
        "database.restored": translated("held after the database was restored"),
    }
    return known.get(name, name)


def outcome(name: str | None) -> str:
    """What came of a POST, for the messages in it."""
    known = {
        "accepted": translated("the provider took it"),
        "not_delivered": translated("it did not reach the provider, and goes again"),
        "not_started": translated("it was not begun, and goes again"),
        "refused": translated("the provider refused the account"),
        "in_doubt": translated("the answer was lost or not clear"),
        "lost": translated("the worker ended before the answer came"),
        "in_flight": translated("it is under way"),
        "open": translated("nobody knows: it has no outcome"),
        "none": translated("nothing was handed in"),
    }
    return known.get(name or "in_flight", name or "")


def priority(name: str) -> str:
    """The priority of a campaign."""
    known = {"high": translated("high"), "normal": translated("normal"), "low": translated("low")}
    return known.get(name, name)
