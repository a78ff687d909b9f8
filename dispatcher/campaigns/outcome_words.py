"""Words for what came of a POST, for whoever owns the messages in it."""

from __future__ import annotations

from dispatcher.i18n.words import translated


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
