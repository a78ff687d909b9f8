"""Campaigns as people see them: show, list, pause, resume, cancel. Progress is read from counters."""

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from dispatcher.db.statements import query
from dispatcher.errors import UsageError
from schemas.states import STATUS_OF_CHUNK_STATE, MessageStatus


@dataclass(frozen=True)
class Summary:
    """A campaign with its progress; `counts` and `result_codes` hold what is above zero."""

    campaign_id: int
    name: str
    state: str
    blocked: str | None  # the provider's words, when it refuses the account
    reason: str | None
    messages: int
    invalid: int
    held: int
    counts: dict[str, int]
    result_codes: dict[int, int]
    left_out: dict[str, int]  # of the suppressed: how many for what
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

_CAMPAIGN = """
SELECT c.*, a.blocked_words FROM campaign c JOIN account a ON a.id = c.account_id
"""


def show(connection: Connection, campaign_id: int) -> Summary:
    """One campaign.

    Raises:
        UsageError: there is none of this number.
    """
    row = connection.execute(text(_CAMPAIGN + "WHERE c.id = :id"), {"id": campaign_id}).first()
    if row is None:
        raise UsageError(f"There is no campaign {campaign_id}.", hint="`dispatcher campaign list` shows them.")
    return _summary(connection, row)


def listing(connection: Connection, limit: int = 50) -> list[Summary]:
    """The newest campaigns, newest first."""
    rows = connection.execute(text(_CAMPAIGN + "ORDER BY c.id DESC LIMIT :limit"), {"limit": limit}).all()
    return [_summary(connection, row) for row in rows]


def _summary(connection: Connection, row: Any) -> Summary:
    # One statement, so one moment: else what settles between two would be counted twice.
    counters = connection.execute(
        text(
            "SELECT state, NULL::int AS code, count(*) AS chunks, sum(messages)::bigint AS messages, "
            "sum(resulted)::bigint AS resulted, sum(suppressed)::bigint AS suppressed "
            "FROM chunk WHERE campaign_id = :id GROUP BY state "
            "UNION ALL SELECT NULL, code, 0, 0, sum(n)::bigint, 0 FROM chunk_result WHERE campaign_id = :id "
            "GROUP BY code ORDER BY code DESC"
        ),
        {"id": row.id},
    ).all()
    left_out = connection.execute(
        text("SELECT reason, n FROM left_out WHERE campaign_id = :id ORDER BY reason"), {"id": row.id}
    ).all()
    by_state = [counter for counter in counters if counter.state is not None]
    result_codes = {int(c.code): int(c.resulted) for c in counters if c.code is not None and c.resulted}
    counts: dict[str, int] = dict.fromkeys(MessageStatus, 0)
    counts[MessageStatus.OK] = result_codes.get(0, 0)
    counts[MessageStatus.SIMULATED] = result_codes.get(1, 0)
    counts[MessageStatus.REJECTED] = sum(n for code, n in result_codes.items() if code < 0)
    for chunks in by_state:
        counts[MessageStatus.SUPPRESSED] += int(chunks.suppressed)
        open_lines = int(chunks.messages) - int(chunks.resulted) - int(chunks.suppressed)
        counts[STATUS_OF_CHUNK_STATE[chunks.state]] += open_lines
    chunk_states = {chunks.state: int(chunks.chunks) for chunks in by_state}
    return Summary(
        campaign_id=row.id,
        name=row.name,
        state=row.state,
        blocked=row.blocked_words if row.state in ("scheduled", "running", "paused") else None,
        reason=row.reason,
        messages=row.messages,
        invalid=row.invalid,
        held=counts[MessageStatus.HELD],
        counts={str(status): n for status, n in counts.items() if n},
        result_codes=result_codes,
        left_out={r.reason: int(r.n) for r in left_out},
        priority=row.priority,
        test=row.test,
        start_at=row.start_at,
        expires_at=row.expires_at,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        in_flight=chunk_states.get("sending", 0),
        doubts=chunk_states.get("in_doubt", 0),
    )


@dataclass(frozen=True)
class Halted:
    """What pause, resume and cancel answer."""

    campaign_id: int
    state: str
    in_flight: int  # bulk POSTs claimed before, whose outcome is not in yet


def pause(engine: Engine, campaign_id: int, *, wait: float, reason: str | None = None) -> Halted:
    """Stop claiming; returns once earlier claims have finished, or after `wait` seconds with how many are in flight."""
    return _move(engine, "pause_campaign", campaign_id, wait, "paused", {"reason": reason, "by_watch": False})


def resume(engine: Engine, campaign_id: int) -> Halted:
    """Go on after a pause; after one by the canary or the reject rate only what follows is judged."""
    return _move(engine, "resume_campaign", campaign_id, 0, "running", {})


def cancel(engine: Engine, campaign_id: int, *, wait: float, reason: str | None = None) -> Halted:
    """Send nothing more of a campaign, for good; what is in flight still gets its results."""
    halted = _move(engine, "cancel_campaign", campaign_id, wait, "cancelled", {"reason": reason})
    # In a transaction of its own: chunks are never waited for while a campaign is locked.
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE chunk SET state = 'cancelled' WHERE id IN (SELECT id FROM chunk WHERE campaign_id = :id "
                "AND state = 'due' ORDER BY id FOR NO KEY UPDATE)"
            ),
            {"id": campaign_id},
        )
    return halted


def _move(engine: Engine, name: str, campaign_id: int, wait: float, wanted: str, parameters: dict[str, Any]) -> Halted:
    with engine.begin() as connection:
        moved = connection.execute(query(name), {"campaign_id": campaign_id, **parameters}).first()
    with engine.connect() as connection:
        now = show(connection, campaign_id)
    if not moved and now.state != wanted and not (wanted == "running" and now.state == "scheduled"):
        raise UsageError(
            f"Campaign {campaign_id} is {now.state}, so it cannot become {wanted}.",
            hint="`dispatcher campaign show` says where it stands.",
        )
    ends = time.monotonic() + wait
    while now.in_flight and time.monotonic() < ends:
        time.sleep(0.1)
        with engine.connect() as connection:
            now = show(connection, campaign_id)
    return Halted(campaign_id, now.state, now.in_flight)
