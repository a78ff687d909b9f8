"""What an operator does where evidence cannot decide: resolve a doubt, go on after a restore.

Every action is recorded in the audit trail.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, ScalarSelect, Select, Text, case, cast, func, select, update

from dispatcher import audit_trail
from dispatcher.db.statements import query
from dispatcher.db.transactions import retry_deadlocks, take_time
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from dispatcher.webhooks import campaign_events
from schemas import tables

_DOUBTFUL = ("in_doubt", "held")
_LARGEST_CHUNK_NO = 2**31 - 1

DECISIONS = ("campaign.resolve", "campaign.retry", "database.restored")
"""What an operator decided where evidence could not, as the audit trail names it."""


@dataclass(frozen=True)
class Doubt:
    """A chunk whose outcome nobody knows, with the evidence so far."""

    chunk_no: int
    state: str
    since: datetime
    reason: str
    outcome: str  # of its last POST; `in_flight` or `open` while there is none, `none` when nothing was posted
    messages: int
    found: int  # lines that have their result
    absent: int  # lines that the provider, asked after the horizon, did not know
    held: int  # lines that wait for the operator
    resends: int
    evidence_at: datetime | None  # when a later line's result showed that the provider had worked past it
    balance_before: int | None  # saldo before and after the POST, if it was read: corroboration, not proof
    balance_after: int | None


def doubts(connection: Connection, campaign_id: int) -> list[Doubt]:
    """The chunks of a campaign that are in doubt or held."""
    return [Doubt(**row._mapping) for row in connection.execute(_doubts(campaign_id))]


def _doubts(campaign_id: int) -> Select[*tuple[Any, ...]]:
    chunk, absence, balance = tables.chunk, tables.absence, tables.balance
    absent = select(func.count()).where(
        absence.c.campaign_id == chunk.c.campaign_id, absence.c.chunk_no == chunk.c.chunk_no
    )
    saldo = select(balance.c.saldo).where(balance.c.account_id == chunk.c.account_id).limit(1)
    before = saldo.where(balance.c.at <= chunk.c.posted_at).order_by(balance.c.at.desc())
    after = saldo.where(balance.c.at >= chunk.c.doubt_since).order_by(balance.c.at)
    open_lines = chunk.c.messages - chunk.c.resulted - chunk.c.suppressed
    return (
        select(
            chunk.c.chunk_no,
            chunk.c.state,
            chunk.c.doubt_since.label("since"),
            chunk.c.doubt_reason.label("reason"),
            func.coalesce(_last_outcome(), "none").label("outcome"),
            chunk.c.messages,
            chunk.c.resulted.label("found"),
            absent.scalar_subquery().label("absent"),
            case((chunk.c.state == "held", open_lines), else_=0).label("held"),
            chunk.c.resends,
            chunk.c.evidence_at,
            before.scalar_subquery().label("balance_before"),
            after.scalar_subquery().label("balance_after"),
        )
        .where(chunk.c.campaign_id == campaign_id, chunk.c.state.in_(_DOUBTFUL))
        .order_by(chunk.c.chunk_no)
    )


def _last_outcome() -> ScalarSelect[Any]:
    """What came of a chunk's last POST: `in_flight` while its lease lasts, `open` when it never came."""
    chunk, attempt = tables.chunk, tables.attempt
    flying = case((attempt.c.lease_until > func.clock_timestamp(), "in_flight"), else_="open")
    return (
        select(func.coalesce(attempt.c.outcome, flying))
        .where(attempt.c.chunk_id == chunk.c.id, attempt.c.attempt == chunk.c.attempt)
        .correlate(chunk)
        .scalar_subquery()
    )


def resolve(engine: Engine, campaign_id: int, chunk_no: int, verdict: Literal["sent", "unsent"]) -> dict[str, Any]:
    """Decide one doubtful or held chunk: `sent` waits for results, `unsent` sends the lines without a trace again.

    Raises:
        UsageError: the chunk is neither in doubt nor held, its POST is still under way, or the provider took it.
    """

    def transaction() -> dict[str, Any]:
        with engine.begin() as connection:
            chunk = _doubtful(connection, campaign_id, chunk_no)
            _require_an_end(chunk, verdict)
            answer = _sent(connection, chunk) if verdict == "sent" else _unsent(connection, chunk)
            audit_trail.record(connection, "campaign.resolve", campaign_id, chunk_no, detail={"as": verdict, **answer})
            return answer

    return retry_deadlocks(transaction)


def _doubtful(connection: Connection, campaign_id: int, chunk_no: int) -> Any:
    """The chunk as it is once its family and its campaign are locked."""
    chunk = tables.chunk
    is_it = (chunk.c.campaign_id == campaign_id) & (chunk.c.chunk_no == chunk_no)
    found = None
    if abs(chunk_no) <= _LARGEST_CHUNK_NO:  # Postgres refuses to compare with anything larger
        root_no = connection.execute(select(chunk.c.root_no).where(is_it)).scalar()
        if root_no is not None:
            _lock_family(connection, campaign_id, root_no, chunk_no)
        with_outcome = select(chunk, _last_outcome().label("outcome"))
        found = connection.execute(with_outcome.where(is_it, chunk.c.state.in_(_DOUBTFUL))).first()
    if found is None:
        raise UsageError(
            worded(
                "Chunk {chunk_no} of campaign {campaign_id} is neither in doubt nor held.",
                chunk_no=chunk_no,
                campaign_id=campaign_id,
            ),
            hint=worded(
                "`dispatcher campaign doubts {campaign_id}` lists the chunks that are.", campaign_id=campaign_id
            ),
        )
    return found


def _require_an_end(chunk: Any, verdict: str) -> None:
    """Refuse a word that the outcome of the chunk's last POST contradicts, or may contradict any moment."""
    names = {"chunk_no": chunk.chunk_no, "campaign_id": chunk.campaign_id}
    if chunk.outcome == "in_flight":
        raise UsageError(
            worded(
                "The POST of chunk {chunk_no} of campaign {campaign_id} is still under way: its outcome is not in yet.",
                **names,
            ),
            hint=worded("Wait until `dispatcher campaign doubts` shows its outcome, two minutes at most by default."),
        )
    if chunk.outcome == "accepted" and verdict == "unsent":
        told = "The provider answered OK to the POST of chunk {chunk_no} of campaign {campaign_id}, so it was sent."
        raise UsageError(worded(told, **names), hint=worded("Resolve it as sent."))


def _lock_family(connection: Connection, campaign_id: int, root_no: int, chunk_no: int) -> None:
    """Lock chunks before their campaign, as everywhere."""
    family = {"campaign_id": campaign_id, "root_no": root_no, "chunk_no": chunk_no}
    connection.execute(query("lock_for_split"), family)
    connection.execute(query("lock_campaign"), {"campaign_id": campaign_id})


def _sent(connection: Connection, chunk: Any) -> dict[str, Any]:
    row = connection.execute(query("resolve_sent"), {"chunk_id": chunk.id, "attempt": chunk.attempt}).one()
    return {"state": row.state, "child": None, "messages": chunk.messages - chunk.resulted - chunk.suppressed}


def _unsent(connection: Connection, chunk: Any) -> dict[str, Any]:
    if chunk.resulted + chunk.suppressed == chunk.messages:
        return _sent(connection, chunk)  # nothing is left to send: it ends here
    if chunk.attempt == 0:
        released = connection.execute(query("release_unposted"), {"chunk_id": chunk.id}).one()
        return {"state": "due", "child": None, "messages": released.messages}
    where = {
        "campaign_id": chunk.campaign_id,
        "chunk_no": chunk.chunk_no,
        "first_seq": chunk.first_seq,
        "last_seq": chunk.last_seq,
    }
    connection.execute(query("absent_by_word"), where)
    child = connection.execute(
        query("split_absent"), {"chunk_id": chunk.id, "attempt": chunk.attempt, "by_word": True}
    ).first()
    if child is None:
        raise UsageError(
            worded(
                "Chunk {chunk_no} has lines that the provider knows, though without a result.", chunk_no=chunk.chunk_no
            ),
            hint="Resolve it as sent: then their results decide, or the result horizon.",
        )
    return {"state": "split", "child": child.chunk_no, "messages": child.messages}


def restored(engine: Engine) -> dict[str, Any]:
    """After a restore from a dump: draw a new idinterno prefix, and hold what was unfinished."""
    random_hex = func.upper(func.replace(cast(func.gen_random_uuid(), Text), "-", ""))
    drawn = (
        update(tables.installation)
        .values(drawn_at=func.now(), prefix=func.substr(random_hex, 1, 10))
        .returning(tables.installation.c.prefix)
    )
    with engine.begin() as connection:
        take_time(connection)
        prefix = connection.execute(drawn).scalar_one()
        connection.execute(update(tables.account).values(stale_at=None, stale_words=None))
        moved = connection.execute(query("hold_unfinished"), {"account_id": None}).all()
        held = Counter(row.campaign_id for row in moved if row.state == "held")
        in_flight = connection.execute(query("posts_under_way")).scalar_one()
        for campaign_id, chunks in held.items():
            audit_trail.record(connection, "database.restored", campaign_id, detail={"held_chunks": chunks})
        campaign_events.needs_decision(connection, sorted(held), "messages are held: the database was restored")
    return {
        "prefix": prefix,
        "held_chunks": sum(held.values()),
        "campaigns": sorted(held),
        "in_flight": in_flight,
    }
