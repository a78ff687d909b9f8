"""What a campaign is and how far it has come: one, or a list of them.

Progress comes from counters; messages are never counted.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from dispatcher.db.statements import query
from dispatcher.domain.days_off import DaysOff
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
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
    intent: str
    rate: int | None  # messages a minute at most
    test: bool
    start_at: datetime | None  # None = at once
    expires_at: datetime | None
    not_on: list[str]  # days on which nothing of it goes
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    dropped_at: datetime | None  # when its rows went, as DISPATCHER_RETENTION says; the sums stay
    in_flight: int
    doubts: int
    created_by: str | None
    tags: dict[str, str]
    retry_of: int | None  # the campaign whose rejected messages it sends again
    other_words: dict[str, int] = field(default_factory=dict)  # what the provider said about messages with -99

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

_NO_CODE = -99
_WORDS_SHOWN = 20
_LARGEST_ID = 2**63 - 1
_CAMPAIGNS = select(
    tables.campaign, func.coalesce(tables.account.c.stale_words, tables.account.c.blocked_words).label("blocked_words")
).join(tables.account)


class NoCampaign(UsageError):
    """There is no campaign with this number."""


def show(connection: Connection, campaign_id: int) -> Summary:
    """One campaign.

    Raises:
        NoCampaign: there is no campaign with this number.
    """
    fits = abs(campaign_id) <= _LARGEST_ID  # Postgres refuses to compare an id with anything larger
    row = connection.execute(_CAMPAIGNS.where(tables.campaign.c.id == campaign_id)).first() if fits else None
    if row is None:
        raise NoCampaign(
            worded("There is no campaign {number}.", number=campaign_id),
            hint=translated("`dispatcher campaign list` shows them."),
        )
    (found,) = _summaries(connection, [row])
    if not found.result_codes.get(_NO_CODE):
        return found
    said = connection.execute(query("other_words"), {"campaign_id": campaign_id, "limit": _WORDS_SHOWN}).all()
    return replace(found, other_words={each.words: each.n for each in said})


@dataclass(frozen=True)
class Wanted:
    """Which campaigns to list; `before` is the number of the last one that is known."""

    state: str | None = None
    name: str | None = None  # a part of it, in any case
    tag: tuple[str, str | None] | None = None  # name, and value unless any will do
    created_after: datetime | None = None
    before: int | None = None


_ANY = Wanted()


def listing(connection: Connection, limit: int = 50, wanted: Wanted = _ANY) -> list[Summary]:
    """The newest campaigns, newest first."""
    campaign, chosen = tables.campaign, _CAMPAIGNS
    if wanted.state is not None:
        chosen = chosen.where(campaign.c.state == wanted.state)
    if wanted.name is not None:
        chosen = chosen.where(campaign.c.name.icontains(wanted.name, autoescape=True))
    if wanted.tag is not None:
        name, value = wanted.tag
        tagged = campaign.c.tags.has_key(name) if value is None else campaign.c.tags[name].astext == value
        chosen = chosen.where(tagged)
    if wanted.created_after is not None:
        chosen = chosen.where(campaign.c.created_at > wanted.created_after)
    if wanted.before is not None:
        chosen = chosen.where(campaign.c.id < wanted.before)
    rows = connection.execute(chosen.order_by(campaign.c.id.desc()).limit(limit)).all()
    return _summaries(connection, rows)


def loading(campaign_id: int, created_at: datetime, intent: str) -> Summary:
    """A campaign that is still being loaded, under the number that was reserved for it."""
    none: dict[str, Any] = dict.fromkeys(
        ("blocked", "reason", "rate", "start_at", "expires_at", "started_at", "completed_at", "dropped_at")
    )
    zero: dict[str, Any] = dict.fromkeys(("messages", "invalid", "held", "in_flight", "doubts"), 0)
    empty: dict[str, Any] = {name: {} for name in ("counts", "result_codes", "left_out", "tags")}
    more: dict[str, Any] = {"priority": "normal", "test": False, "created_by": None, "retry_of": None, "name": ""}
    more |= {"not_on": [], "intent": intent}
    return Summary(campaign_id=campaign_id, state="loading", created_at=created_at, **none, **zero, **empty, **more)


def _summaries(connection: Connection, campaigns: Sequence[Any]) -> list[Summary]:
    """In two statements, however many there are."""
    ids = [campaign.id for campaign in campaigns]
    counters, left_out = defaultdict[int, list[Any]](list), defaultdict[int, dict[str, int]](dict)
    for counter in connection.execute(query("campaign_counters"), {"campaign_ids": ids}):
        counters[counter.campaign_id].append(counter)
    reasons = select(tables.left_out).where(tables.left_out.c.campaign_id.in_(ids)).order_by(tables.left_out.c.reason)
    for row in connection.execute(reasons):
        left_out[row.campaign_id][row.reason] = row.n
    return [_summary(campaign, counters[campaign.id], left_out[campaign.id]) for campaign in campaigns]


def _summary(campaign: Any, counters: list[Any], left_out: dict[str, int]) -> Summary:
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
        left_out=left_out,
        priority=campaign.priority,
        intent=campaign.intent,
        rate=campaign.rate,
        test=campaign.test,
        start_at=campaign.start_at,
        expires_at=campaign.expires_at,
        not_on=DaysOff(frozenset(campaign.not_on)).listed(),
        created_at=campaign.created_at,
        started_at=campaign.started_at,
        completed_at=campaign.completed_at,
        dropped_at=campaign.dropped_at,
        in_flight=chunks_in.get("sending", 0),
        doubts=chunks_in.get("in_doubt", 0),
        created_by=campaign.created_by,
        tags=campaign.tags,
        retry_of=campaign.retry_of,
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
