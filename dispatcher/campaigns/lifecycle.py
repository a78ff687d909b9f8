"""What a person sees of a campaign and does with it: show, list, pause, resume, cancel.

Progress comes from counters; messages are never counted.
"""

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from dispatcher.db.statements import query
from dispatcher.errors import UsageError
from schemas import tables
from schemas.states import STATUS_OF_CHUNK_STATE, MessageStatus


@dataclass(frozen=True)
class Summary:
    """A campaign with its progress; `counts` and `result_codes` leave out zeros."""

    campaign_id: int
    name: str
    state: str
    blocked: str | None  # why the account sends nothing: the provider's words, or that the database is too old
    reason: str | None
    messages: int
    invalid: int
    held: int
    counts: dict[str, int]
    result_codes: dict[int, int]
    left_out: dict[str, int]  # suppressed messages by reason
    priority: str
    test: bool
    start_at: datetime | None  # None = at once
    expires_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    in_flight: int
    doubts: int

    @property
    def final(self) -> int:
        """Messages whose status will not change on its own."""
        return sum(self.counts.get(status, 0) for status in FINAL_STATUSES)

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(self).items()}


FINAL_STATUSES = (
    MessageStatus.OK,
    MessageStatus.SIMULATED,
    MessageStatus.REJECTED,
    MessageStatus.SUPPRESSED,
    MessageStatus.EXPIRED,
    MessageStatus.CANCELLED,
    MessageStatus.UNKNOWN,
)

_LARGEST_ID = 2**63 - 1
_CAMPAIGNS = select(
    tables.campaign, func.coalesce(tables.account.c.stale_words, tables.account.c.blocked_words).label("blocked_words")
).join(tables.account)


def show(connection: Connection, campaign_id: int) -> Summary:
    """One campaign.

    Raises:
        UsageError: there is no campaign with this number.
    """
    fits = abs(campaign_id) <= _LARGEST_ID  # Postgres refuses to compare an id with anything larger
    row = connection.execute(_CAMPAIGNS.where(tables.campaign.c.id == campaign_id)).first() if fits else None
    if row is None:
        raise UsageError(f"There is no campaign {campaign_id}.", hint="`dispatcher campaign list` shows them.")
    return _summary(connection, row)


def listing(connection: Connection, limit: int = 50) -> list[Summary]:
    """The newest campaigns, newest first."""
    rows = connection.execute(_CAMPAIGNS.order_by(tables.campaign.c.id.desc()).limit(limit)).all()
    return [_summary(connection, row) for row in rows]


def _summary(connection: Connection, campaign: Any) -> Summary:
    counters = connection.execute(query("campaign_counters"), {"campaign_id": campaign.id}).all()
    by_state = [counter for counter in counters if counter.state is not None]
    result_codes = {int(c.code): int(c.resulted) for c in counters if c.code is not None and c.resulted}
    counts = _counts(by_state, result_codes)
    chunks_in = {counter.state: int(counter.chunks) for counter in by_state}
    return Summary(
        campaign_id=campaign.id,
        name=campaign.name,
        state=campaign.state,
        blocked=campaign.blocked_words if campaign.state in ("scheduled", "running", "paused") else None,
        reason=campaign.reason,
        messages=campaign.messages,
        invalid=campaign.invalid,
        held=counts[MessageStatus.HELD],
        counts={str(status): n for status, n in counts.items() if n},
        result_codes=result_codes,
        left_out=_left_out(connection, campaign.id),
        priority=campaign.priority,
        test=campaign.test,
        start_at=campaign.start_at,
        expires_at=campaign.expires_at,
        created_at=campaign.created_at,
        started_at=campaign.started_at,
        completed_at=campaign.completed_at,
        in_flight=chunks_in.get("sending", 0),
        doubts=chunks_in.get("in_doubt", 0),
    )


def _counts(by_state: list[Any], result_codes: dict[int, int]) -> dict[MessageStatus, int]:
    """Messages by status. Those with a result count by its code, the others by the state of their chunk."""
    counts = dict.fromkeys(MessageStatus, 0)
    counts[MessageStatus.OK] = result_codes.get(0, 0)
    counts[MessageStatus.SIMULATED] = result_codes.get(1, 0)
    counts[MessageStatus.REJECTED] = sum(n for code, n in result_codes.items() if code < 0)
    for chunks in by_state:
        counts[MessageStatus.SUPPRESSED] += int(chunks.suppressed)
        open_lines = int(chunks.messages) - int(chunks.resulted) - int(chunks.suppressed)
        counts[STATUS_OF_CHUNK_STATE[chunks.state]] += open_lines
    return counts


def _left_out(connection: Connection, campaign_id: int) -> dict[str, int]:
    left_out = tables.left_out
    by_reason = select(left_out.c.reason, left_out.c.n).where(left_out.c.campaign_id == campaign_id)
    return {row.reason: row.n for row in connection.execute(by_reason.order_by(left_out.c.reason))}


@dataclass(frozen=True)
class Halted:
    """The answer of pause, resume and cancel."""

    campaign_id: int
    state: str
    in_flight: int  # bulk POSTs that were claimed before and have no outcome yet


def pause(engine: Engine, campaign_id: int, *, wait: float, reason: str | None = None) -> Halted:
    """Stop claiming. Returns once earlier claims have finished, but after `wait` seconds at the latest."""
    return _move(engine, "pause_campaign", campaign_id, wait, "paused", {"reason": reason, "by_watch": False})


def resume(engine: Engine, campaign_id: int) -> Halted:
    """Go on after a pause. If the canary or the reject rate paused it, only later results are judged from now on."""
    return _move(engine, "resume_campaign", campaign_id, 0, "running", {})


def cancel(engine: Engine, campaign_id: int, *, wait: float, reason: str | None = None) -> Halted:
    """Stop a campaign for good. What is in flight still gets its results."""
    halted = _move(engine, "cancel_campaign", campaign_id, wait, "cancelled", {"reason": reason})
    # In its own transaction: nothing waits for chunks while it holds a campaign's lock.
    with engine.begin() as connection:
        connection.execute(query("cancel_due"), {"campaign_id": campaign_id})
    return halted


def _move(engine: Engine, name: str, campaign_id: int, wait: float, wanted: str, parameters: dict[str, Any]) -> Halted:
    with engine.begin() as connection:
        moved = connection.execute(query(name), {"campaign_id": campaign_id, **parameters}).first()
    with engine.connect() as connection:
        now = show(connection, campaign_id)
    if not moved and now.state != wanted and not (wanted == "running" and now.state == "scheduled"):
        raise UsageError(
            f"Campaign {campaign_id} is {now.state}, so it cannot become {wanted}.",
            hint="`dispatcher campaign show` shows its state and why.",
        )
    ends = time.monotonic() + wait
    while now.in_flight and time.monotonic() < ends:
        time.sleep(0.1)
        with engine.connect() as connection:
            now = show(connection, campaign_id)
    return Halted(campaign_id, now.state, now.in_flight)
