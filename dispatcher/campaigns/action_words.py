"""Words for what happens to a campaign: what was done to it, and its priority."""

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


def priority(name: str) -> str:
    """The priority of a campaign."""
    known = {"high": translated("high"), "normal": translated("normal"), "low": translated("low")}
    return known.get(name, name)
