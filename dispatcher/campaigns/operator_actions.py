"""What an operator decides where evidence cannot: resolve a doubt, retry rejects, go on after a restore.

Every decision leaves a record in `operator_action`.
"""

import getpass
import json
import os
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection, Engine, text

from dispatcher.db.statements import query
from dispatcher.db.transactions import retry_deadlocks, take_time
from dispatcher.errors import UsageError

_OPTED_OUT_CODES = (-3, -14)


@dataclass(frozen=True)
class Doubt:
    """A chunk whose outcome nobody knows, with the evidence so far."""

    chunk_no: int
    state: str
    since: datetime
    reason: str
    messages: int
    found: int  # lines with a result of their own
    absent: int  # lines that the provider, asked after the horizon, did not know
    held: int
    resends: int
    balance_before: int | None  # saldo before and after the POST, where it can be read: corroboration, not proof
    balance_after: int | None


def doubts(connection: Connection, campaign_id: int) -> list[Doubt]:
    """The chunks of a campaign that are in doubt or held."""
    rows = connection.execute(
        text(
            "SELECT k.chunk_no, k.state, k.doubt_since AS since, k.doubt_reason AS reason, k.messages, "
            "k.resulted AS found, k.resends, CASE WHEN k.state = 'held' "
            "THEN k.messages - k.resulted - k.suppressed ELSE 0 END AS held, "
            "(SELECT count(*)::int FROM absence p WHERE p.campaign_id = k.campaign_id AND p.chunk_no = k.chunk_no) "
            "AS absent, "
            "(SELECT saldo FROM balance b WHERE b.account_id = k.account_id AND b.at <= k.posted_at "
            "ORDER BY b.at DESC LIMIT 1) AS balance_before, "
            "(SELECT saldo FROM balance b WHERE b.account_id = k.account_id AND b.at >= k.doubt_since "
            "ORDER BY b.at LIMIT 1) AS balance_after "
            "FROM chunk k WHERE k.campaign_id = :id AND k.state IN ('in_doubt', 'held') ORDER BY k.chunk_no"
        ),
        {"id": campaign_id},
    ).all()
    return [Doubt(**row._mapping) for row in rows]


def actor() -> str:
    """Who decides: the user of this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def record(
    connection: Connection, action: str, campaign_id: int | None, chunk_no: int | None, detail: dict[str, Any]
) -> None:
    """Write a decision down, in the transaction that carries it out."""
    connection.execute(
        text(
            "INSERT INTO operator_action (actor, action, campaign_id, chunk_no, detail) "
            "VALUES (:actor, :action, :campaign_id, :chunk_no, CAST(:detail AS jsonb))"
        ),
        {
            "actor": actor(),
            "action": action,
            "campaign_id": campaign_id,
            "chunk_no": chunk_no,
            "detail": json.dumps(detail),
        },
    )


def resolve(engine: Engine, campaign_id: int, chunk_no: int, verdict: Literal["sent", "unsent"]) -> dict[str, Any]:
    """Decide one doubtful or held chunk: `sent` waits for results, `unsent` sends its traceless lines again.

    Raises:
        UsageError: the chunk is neither in doubt nor held.
    """

    def transaction() -> dict[str, Any]:
        with engine.begin() as connection:
            chunk = _doubtful(connection, campaign_id, chunk_no)
            answer = _sent(connection, chunk) if verdict == "sent" else _unsent(connection, chunk)
            record(connection, "resolve", campaign_id, chunk_no, {"as": verdict, **answer})
            return answer

    return retry_deadlocks(transaction)


def _doubtful(connection: Connection, campaign_id: int, chunk_no: int) -> Any:
    known = connection.execute(
        text("SELECT root_no FROM chunk WHERE campaign_id = :id AND chunk_no = :no"),
        {"id": campaign_id, "no": chunk_no},
    ).first()
    if known:
        family = {"campaign_id": campaign_id, "root_no": known.root_no, "chunk_no": chunk_no}
        connection.execute(query("lock_for_split"), family)
        connection.execute(query("lock_campaign"), {"campaign_id": campaign_id})
    chunk = connection.execute(
        text("SELECT * FROM chunk WHERE campaign_id = :id AND chunk_no = :no AND state IN ('in_doubt', 'held')"),
        {"id": campaign_id, "no": chunk_no},
    ).first()
    if chunk is None:
        raise UsageError(
            f"Chunk {chunk_no} of campaign {campaign_id} is neither in doubt nor held.",
            hint=f"`dispatcher campaign doubts {campaign_id}` lists what is.",
        )
    return chunk


def _sent(connection: Connection, chunk: Any) -> dict[str, Any]:
    row = connection.execute(query("resolve_sent"), {"chunk_id": chunk.id, "attempt": chunk.attempt}).one()
    return {"state": row.state, "child": None, "messages": chunk.messages - chunk.resulted - chunk.suppressed}


def _unsent(connection: Connection, chunk: Any) -> dict[str, Any]:
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
    child = connection.execute(query("split_absent"), {"chunk_id": chunk.id, "attempt": chunk.attempt}).first()
    if child is None:
        raise UsageError(
            f"Chunk {chunk.chunk_no} has lines that the provider knows, though without a result.",
            hint="Resolve it as sent: their results, or the horizon, decide.",
        )
    return {"state": "split", "child": child.chunk_no, "messages": child.messages}


def retry(engine: Engine, campaign_id: int, *, code: int | None, words: str | None) -> int:
    """Send rejected messages again, each under a new generation of its idinterno. Returns how many.

    Raises:
        UsageError: no such campaign, a cancelled one, or a code that must not be retried.
    """
    if code in _OPTED_OUT_CODES:
        raise UsageError(f"Code {code} means that the person does not want messages: it is not retried.")
    if code is not None and code >= 0:
        raise UsageError(f"Code {code} is no reject: there is nothing to retry.")
    total = 0
    chunks = _with_rejects(engine, campaign_id, code)
    try:
        for chunk in chunks:
            total += retry_deadlocks(partial(_retry_chunk, engine, campaign_id, chunk, code, words))
    finally:
        # What went again is on record also when the rest could not.
        with engine.begin() as connection:
            record(connection, "retry", campaign_id, None, {"code": code, "reason": words, "messages": total})
    return total


def _with_rejects(engine: Engine, campaign_id: int, code: int | None) -> list[Any]:
    with engine.connect() as connection:
        state = connection.execute(text("SELECT state FROM campaign WHERE id = :id"), {"id": campaign_id}).scalar()
        if state is None or state in ("loading", "cancelled"):
            raise UsageError(
                f"Campaign {campaign_id} is {state or 'unknown'}: nothing of it can be retried.",
                hint="`dispatcher campaign list` shows the campaigns.",
            )
        return list(
            connection.execute(
                text(
                    "SELECT k.id, k.chunk_no, k.root_no FROM chunk k WHERE k.campaign_id = :id AND EXISTS ("
                    "SELECT 1 FROM chunk_result r WHERE r.campaign_id = k.campaign_id AND r.chunk_no = k.chunk_no "
                    "AND r.n > 0 AND r.code < 0 AND r.code NOT IN (-3, -14) "
                    "AND (CAST(:code AS int) IS NULL OR r.code = :code)) ORDER BY k.id"
                ),
                {"id": campaign_id, "code": code},
            ).all()
        )


def _retry_chunk(engine: Engine, campaign_id: int, chunk: Any, code: int | None, words: str | None) -> int:
    with engine.begin() as connection:
        family = {"campaign_id": campaign_id, "root_no": chunk.root_no, "chunk_no": chunk.chunk_no}
        connection.execute(query("lock_for_split"), family)
        connection.execute(query("lock_campaign"), {"campaign_id": campaign_id})
        moved = connection.execute(query("retry_lines"), {"chunk_id": chunk.id, "code": code, "words": words}).first()
        if moved is None:
            return 0
        # Campaigns are locked after chunks everywhere.
        connection.execute(query("reopen_campaign"), {"campaign_id": campaign_id})
        return int(moved.n)


def restored(engine: Engine) -> dict[str, Any]:
    """The database came from a dump: draw a new idinterno prefix, and hold what was unfinished."""
    with engine.begin() as connection:
        take_time(connection)
        prefix = connection.execute(
            text(
                "UPDATE installation SET drawn_at = now(), "
                "prefix = upper(substr(replace(gen_random_uuid()::text, '-', ''), 1, 10)) RETURNING prefix"
            )
        ).scalar_one()
        held = Counter(connection.execute(query("hold_unfinished")).scalars())
        for campaign_id, chunks in held.items():
            record(connection, "restored", campaign_id, None, {"held_chunks": chunks})
    return {"prefix": prefix, "held_chunks": sum(held.values()), "campaigns": sorted(held)}
