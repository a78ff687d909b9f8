"""Words for what is known of a chunk in doubt: its reason, and the evidence so far, for the page and the terminal."""

from __future__ import annotations

from datetime import datetime

from dispatcher.campaigns.operator_actions import Doubt
from dispatcher.campaigns.outcome_words import outcome
from dispatcher.domain.window import provider_local
from dispatcher.i18n.words import counted, current, translated, worded

_REASONS = {
    "read_timeout": "no answer came in time",
    "reset": "the connection broke off",
    "closed": "the provider closed the connection without an answer",
    "cut": "the answer broke off",
    "cut_while_sending": "the provider answered before it had the whole post",
    "tls": "the encrypted connection failed",
    "empty": "the answer was empty",
    "html": "the answer was a page and not a result",
    "redirect": "the answer pointed to another address",
    "garbage": "the answer could not be read",
    "sentence": "the answer was a sentence that is not known",
    "too_large": "the answer was too long",
    "soap_fault": "the Web Service reported a fault",
    "crash": "the worker failed in the middle of the call",
    "lease_expired": "the worker ended before the answer came",
    "restored": "the database was restored from a backup",
    "credit": "the provider says that the credit has run out",
    "contract": "the provider says that the contract has expired",
    "account_refused": "the provider refused the account for it again and again",
    "unknown": "the cause is not known",
    "on_doubt=hold": "this campaign resends nothing by itself",
    "no_resend_left": "it was sent again as often as is allowed",
    "no_evidence": "no later message shows that the provider had worked past it",
    "lines_before_it_still_wait": "messages that were handed in before it still wait",
    "balance_moved": "the account's balance fell by more than is explained",
    "trace_without_result": "the provider knows a message of it, without a result",
    "unit_calls_leave_no_trace": "the provider cannot be asked about single calls",
}
"""By the slugs that a chunk keeps: why it came in doubt, then why it is held."""


def reason(written: str) -> str:
    """Why a chunk is in doubt or held; what is not known here stays as it is written."""
    return "; ".join(_one(slug) for slug in written.split(", "))


def _one(slug: str) -> str:
    if slug.startswith("http_"):
        return worded("the provider's server failed (HTTP {status})", status=slug.removeprefix("http_"))
    return translated(_REASONS[slug]) if slug in _REASONS else slug


def evidence(doubt: Doubt) -> list[tuple[str, str]]:
    """What is known, as pairs of a name and a sentence."""
    later = (
        worded("yes, at {at}: the provider had worked past it", at=_moment(doubt.evidence_at))
        if doubt.evidence_at is not None
        else translated("none so far")
    )
    facts = [
        (translated("In doubt since"), _moment(doubt.since)),
        (translated("What came of the POST"), outcome(doubt.outcome)),
        (translated("Reason"), reason(doubt.reason)),
        (translated("Messages in it"), _count(doubt.messages)),
        (translated("With a result"), _count(doubt.found)),
        (translated("Asked for, and unknown to the provider"), _count(doubt.absent)),
        (translated("Results of what was handed in later"), later),
        (translated("Sent again so far"), counted(doubt.resends, "{n:,} time", "{n:,} times")),
    ]
    if doubt.balance_before is not None and doubt.balance_after is not None:
        said = worded(
            "{before} before, {after} after: {moved} fewer (other traffic counts too)",
            before=_count(doubt.balance_before),
            after=_count(doubt.balance_after),
            moved=_count(doubt.balance_before - doubt.balance_after),
        )
        facts.append((translated("Balance of the account"), said))
    return facts


def _moment(at: datetime) -> str:
    local = provider_local(at)
    return f"{local:%d/%m/%Y %H:%M}" if current() == "es" else f"{local:%Y-%m-%d %H:%M}"


def _count(n: int) -> str:
    return worded("{n:,}", n=n)
