"""The English words for the provider's result codes and the dispatcher's statuses; the catalog has the Spanish ones."""

from __future__ import annotations

from dispatcher.i18n.words import Language, translated

RESULT_CODES = {
    0: "Delivered to the phone company.",
    1: "Simulation passed: the message is valid and was not sent.",
    -1: "It is a fixed line: it takes no SMS.",
    -2: "The number failed many times, and the provider no longer sends to it.",
    -3: "The person opted out (BAJA): nothing more may be sent.",
    -4: "The same message went to this number a short while ago: it was not repeated.",
    -5: "The text looks like SPAM: better change it.",
    -6: "The text is longer than 160 characters.",
    -7: "The number has the wrong count of digits (10 in Argentina).",
    -8: "The number contains characters that are no digits.",
    -9: "The area code does not exist.",
    -10: "The phone company rejected the recipient.",
    -11: "The text contains characters that are not allowed.",
    -12: "The number must begin with 1, 2 or 3.",
    -14: "The number is in the do-not-call register (No Llame).",
    -99: "Another reason: see the provider's text.",
}

STATUSES = {
    "pending": "waiting to be sent",
    "submitted": "sent, without a result yet",
    "in_doubt": "perhaps sent: the answer was lost",
    "held": "held: somebody must decide",
    "ok": "delivered to the phone company",
    "simulated": "simulated, not sent",
    "rejected": "rejected by the provider",
    "suppressed": "left out: opted out or unreachable",
    "expired": "expired before it was sent",
    "cancelled": "cancelled before it was sent",
    "unknown": "the provider gave no result",
}

SINGLE_STATES = {
    "sending": "on its way",
    "accepted": "delivered to the phone company",
    "handed_over": "handed to the mail server",
    "refused": "not sent: refused here",
    "failed": "not delivered",
}
"""Of single messages, as far as their states are not statuses too."""

CAMPAIGN_STATES = {
    "loading": "loading",
    "draft": "draft",
    "scheduled": "scheduled",
    "running": "running",
    "paused": "paused",
    "completed": "completed",
    "cancelled": "cancelled",
}


REPLY_STATES = {"new": "new", "answered": "answered", "done": "done"}
REPLY_KINDS = {"optout": "opt-out", "review": "to be looked at", "reply": "reply"}
OPTOUT_ACTIONS = {"add": "opted out", "remove": "opted in"}
SOURCES = {"reply": "reply", "result": "provider's result", "import": "file", "operator": "a person"}
"""Where an opt-out came from."""


def meaning(code: int, language: Language | None = None) -> str:
    """What a result code means to the person who sent the campaign; empty for a code that the guide does not have."""
    return translated(RESULT_CODES[code], language) if code in RESULT_CODES else ""


def status(name: str, language: Language | None = None) -> str:
    """What the status of a message means; the name itself when it is none."""
    known = STATUSES.get(name) or SINGLE_STATES.get(name)
    return translated(known, language) if known else name


def state_word(name: str, language: Language | None = None) -> str:
    """The state of a campaign in a word; the name itself when it is none."""
    return translated(CAMPAIGN_STATES[name], language) if name in CAMPAIGN_STATES else name


def reply_state(name: str) -> str:
    """What was done about a reply."""
    return translated(REPLY_STATES.get(name, name))


def kind_word(name: str) -> str:
    """What kind of reply it is."""
    return translated(REPLY_KINDS.get(name, name))


def optout_word(action: str) -> str:
    """What an entry of the opt-out list did."""
    return translated(OPTOUT_ACTIONS.get(action, action))


def source_word(name: str) -> str:
    """Where an opt-out came from."""
    return translated(SOURCES.get(name, name))
