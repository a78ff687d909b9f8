"""Claims a chunk, and records the outcome of its POST. The POST in between is in `pump.py`."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from dispatcher.accounts import blocking, provider_clock
from dispatcher.config import Settings
from dispatcher.db import statements
from dispatcher.db.certain import log_at_commit
from dispatcher.db.statements import query
from dispatcher.db.transactions import single_statement
from dispatcher.domain import idinterno
from dispatcher.domain.days_off import DaysOff
from dispatcher.errors import ProviderError, SendRefusedByGuard
from dispatcher.provider.codes import strip_number
from dispatcher.provider.deadline import now as boot_clock
from dispatcher.sending import admission
from dispatcher.sending.admission import Defer
from dispatcher.webhooks import campaign_events
from dispatcher.webhooks.event_types import EventType

log = logging.getLogger(__name__)

LEASE_MARGIN = 30.0
"""Seconds that a lease outlives the longest possible call."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A chunk that this process alone may POST, once, and only while `lease_ends` lies ahead."""

    account_id: int
    campaign_id: int
    chunk_id: int
    chunk_no: int
    root_no: int
    attempt: int
    bloque: bytes
    lines: int
    prefix: str  # the installation's: marks under another prefix are not compared with this claim
    turn: int  # how many claims the account has made, this one included
    test: bool
    html: str | None  # content of a unit call; None = the lines are one bulk POST
    trial: bool
    latest: datetime  # the provider's clock at the claim, upper bound
    expires_at: datetime | None
    days_off: DaysOff
    claimed_at: float  # boot clock, read before the claim began
    lease_ends: float
    poll_gap_cap_ms: int  # see Settings

    def label(self) -> str:
        """The one shape of a log line's subject."""
        return f"campaign={self.campaign_id} chunk={self.chunk_no} attempt={self.attempt}"


@dataclass(frozen=True, slots=True)
class NothingToSend:
    """A chunk was claimed and had no line left to send; there may be more chunks."""


def claim_next(engine: Engine, settings: Settings, account_id: int, fingerprint: str) -> Claim | NothingToSend | Defer:
    """Claim the next due chunk of an account and commit that, or say why nothing may be claimed now.

    Slot, backoff, rate, window, pause and deadline are all checked here, before the claim; an exception from the
    commit means that nothing may be posted.
    """
    claimed_at = boot_clock()
    with engine.begin() as connection:
        known = statements.first(connection, "lock_account", {"account_id": account_id, "fingerprint": fingerprint})
        if known is None:
            return Defer("the configured key is not this account's")
        account = statements.first(connection, "read_conditions", {"account_id": account_id})
        clock = provider_clock.of_row(account)
        if clock is None or not clock.trustworthy(account.db_now, provider_clock.host_id(), boot_clock()):
            return Defer("the provider's clock is not measured")
        decision = admission.decide(admission.of_row(account, clock, settings))
        if isinstance(decision, Defer):
            return decision
        return _claim(connection, settings, account, decision, claimed_at)


def _claim(
    connection: Connection, settings: Settings, account: Any, admit: admission.Admit, claimed_at: float
) -> Claim | NothingToSend | Defer:
    lease = settings.provider_timeout + LEASE_MARGIN
    chunk = _take_chunk(connection, account, admit, lease)
    if chunk is None:
        return Defer("nothing is due")
    if chunk.begins:
        log_at_commit(connection, log, "started campaign=%s", chunk.campaign_id)
        campaign_events.moved(connection, EventType.CAMPAIGN_STARTED, [chunk.campaign_id])
    content = _begin_attempt(connection, settings, account, admit, chunk)
    _record_suppressions(connection, chunk, content)
    if not content.lines:
        statements.execute(connection, "settle_empty_claim", {"chunk_id": chunk.id, "attempt": chunk.attempt})
        return NothingToSend()
    return Claim(
        account_id=account.id,
        campaign_id=chunk.campaign_id,
        chunk_id=chunk.id,
        chunk_no=chunk.chunk_no,
        root_no=chunk.root_no,
        attempt=chunk.attempt,
        bloque=content.bloque.encode("latin-1"),
        lines=content.lines,
        prefix=account.prefix,
        turn=account.turn + 1,
        test=chunk.test,
        html=chunk.html,
        trial=admit.trial,
        latest=admit.latest,
        expires_at=chunk.expires_at,
        days_off=DaysOff(frozenset(chunk.not_on)),
        claimed_at=claimed_at,
        lease_ends=claimed_at + lease,
        poll_gap_cap_ms=settings.poll_gap_cap_ms,
    )


def _take_chunk(connection: Connection, account: Any, admit: admission.Admit, lease: float) -> Any:
    """The due chunk whose turn it is, now `sending` under a new attempt; None when nothing is due."""
    where = {
        "account_id": account.id,
        "earliest": admit.earliest,
        "latest": admit.latest,
        "closed": admit.closed,
        "wheel": admission.wheel(account.turn),
    }
    only = None
    if account.blocked_cause in ("credit", "contract"):
        # The provider answers OK to a whole chunk without credit too, and would refuse every line of it.
        only = _single_line(connection, where)
        if only is None:
            return None
    parameters = {**where, "lease": lease, "turn": account.turn + 1, "only": only}
    return statements.first(connection, "claim_chunk", parameters)


def _single_line(connection: Connection, where: dict[str, Any]) -> int | None:
    """A due chunk of one line to try; it is cut from a larger one when there is none."""
    chunk = statements.first(connection, "choose_trial", where)
    if chunk is None:
        return None
    family = {"campaign_id": chunk.campaign_id, "root_no": chunk.root_no, "chunk_no": chunk.chunk_no}
    locked = statements.execute(connection, "lock_family_now", family).fetchall()
    if len(locked) < len({chunk.root_no, chunk.chunk_no}):
        return None
    return int(statements.first(connection, "carve_line", {"chunk_id": chunk.id, "earliest": where["earliest"]}).id)


def _begin_attempt(connection: Connection, settings: Settings, account: Any, admit: admission.Admit, chunk: Any) -> Any:
    """Render what is still to send, and record the attempt."""
    head, checksum = idinterno.head(chunk.prefix, chunk.campaign_id)
    rate_free_at = admission.rate_free_at(account.db_now, account.rate_free_at, chunk.unsettled, settings.rate)
    return statements.first(
        connection,
        "begin_marketing_attempt" if chunk.asks_registry else "begin_attempt",
        {
            "account_id": account.id,
            "campaign_id": chunk.campaign_id,
            "chunk_id": chunk.id,
            "chunk_no": chunk.chunk_no,
            "first_seq": chunk.first_seq,
            "last_seq": chunk.last_seq,
            "attempt": chunk.attempt,
            "resends": chunk.resends,
            "lease_until": chunk.lease_until,
            "head": head,
            "checksum": checksum,
            "earliest": admit.earliest,
            "turn": account.turn + 1,
            "retry_at": admit.retry_at,
            "rate_free_at": rate_free_at,
        },
    )


def _record_suppressions(connection: Connection, chunk: Any, content: Any) -> None:
    """Lines whose number opted out, is on the do-not-send list, or for marketing in the No Llame registry, leave it."""
    left_out = {"optout_at_claim": content.opted_out, "undeliverable_at_claim": content.undeliverable}
    if chunk.asks_registry:
        left_out["no_llame_at_claim"] = content.no_llame
    for reason, seqs in left_out.items():
        if seqs:
            statements.execute(
                connection,
                "suppress_lines",
                {"campaign_id": chunk.campaign_id, "seqs": seqs, "chunk_id": chunk.id, "reason": reason},
            )
            about = f"campaign={chunk.campaign_id} chunk={chunk.chunk_no}"
            log.info("suppressed %s reason=%s lines=%s", about, reason, len(seqs))


def finish_accepted(engine: Engine, claim: Claim) -> str | None:
    """The provider answered OK. Returns the chunk's new state; None when this attempt no longer counts."""
    with single_statement(engine) as connection:
        state = accept(connection, claim)
    return state or _take_back(engine, claim)


def accept(connection: Connection, claim: Claim) -> str | None:
    """`finish_accepted` in the caller's transaction."""
    row = statements.first(
        connection,
        "finish_accepted",
        {"chunk_id": claim.chunk_id, "attempt": claim.attempt, "account_id": claim.account_id, "trial": claim.trial},
    )
    return str(row.state) if row else None


def _take_back(engine: Engine, claim: Claim) -> str | None:
    """An OK that came after the doubt was decided: what it speaks of and is due again is not sent again."""
    with engine.begin() as connection:
        rows = connection.execute(
            query("take_back_resend"), {"chunk_id": claim.chunk_id, "attempt": claim.attempt}
        ).all()
    for row in rows:
        log.warning("resend_taken_back %s child=%s", claim.label(), row.chunk_no)
    return str(rows[0].state) if rows else None


def finish_undelivered(engine: Engine, claim: Claim, error: ProviderError) -> str | None:
    """Proven not taken: due again. The account backs off, or is blocked when its credential was refused."""
    with engine.begin() as connection:
        outcome = "not_delivered"
        if isinstance(error, SendRefusedByGuard):
            outcome = "not_started"
        elif error.scope == "account" and error.words:
            outcome = "refused"
        row = _finish(connection, "finish_undelivered", claim, outcome, str(error))
        if outcome == "refused":
            blocking.block(connection, claim.account_id, strip_number(error.words or ""))
        elif outcome == "not_delivered":
            statements.execute(connection, "account_failed", {"account_id": claim.account_id})
        return row


def finish_in_doubt(engine: Engine, claim: Claim, error: ProviderError) -> str | None:
    """Nobody knows: in doubt until evidence. Words about credit or contract also block the account."""
    with engine.begin() as connection:
        row = _finish(
            connection,
            "finish_in_doubt",
            claim,
            "in_doubt",
            str(error),
            reason=error.reason,
            cap_ms=claim.poll_gap_cap_ms,
        )
        if error.scope == "account" and error.words:
            blocking.block(connection, claim.account_id, strip_number(error.words))
        else:
            statements.execute(connection, "account_doubted", {"account_id": claim.account_id})
        return row


def _finish(connection: Connection, name: str, claim: Claim, outcome: str, detail: str, **extra: Any) -> str | None:
    parameters = {"chunk_id": claim.chunk_id, "attempt": claim.attempt}
    row = statements.first(connection, name, {**parameters, **extra})
    statements.execute(connection, "end_attempt", {**parameters, "outcome": outcome, "detail": detail[:500]})
    return str(row.state) if row else None


def rescue(connection: Connection, settings: Settings, account_id: int) -> int:
    """Move chunks whose lease ran out into doubt. Returns how many."""
    longest = 2 * (settings.provider_timeout + LEASE_MARGIN)
    rows = connection.execute(
        query("rescue_leases"), {"account_id": account_id, "cap_ms": settings.poll_gap_cap_ms, "longest": longest}
    ).all()
    for row in rows:
        log.warning("lease_expired campaign=%s chunk=%s attempt=%s", row.campaign_id, row.chunk_no, row.attempt)
    return len(rows)


def due_exists(connection: Connection, account_id: int) -> bool:
    """Whether any campaign that may run has a chunk that may be claimed (whatever its start)."""
    return connection.execute(query("due_exists"), {"account_id": account_id}).first() is not None
