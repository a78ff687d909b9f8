"""The audit: counts a campaign's messages themselves and compares the sums with the counters."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, column, func, select, table

from dispatcher.campaigns import kept_rows, summary
from dispatcher.campaigns.operator_actions import DECISIONS
from dispatcher.db.statements import query
from dispatcher.db.transactions import take_time
from dispatcher.i18n.words import worded
from schemas import tables


@dataclass(frozen=True)
class Audit:
    """Rows = messages + invalid, messages = Σ statuses; what was sent is a range while anything is unknown.

    `sent_max` counts a line that the provider answered OK to twice as two.
    """

    campaign_id: int
    rows: int
    messages: int
    invalid: int
    statuses: dict[str, int]
    attempts: dict[str, int]  # outcome -> POSTs; `open` while one is under way
    sent_min: int
    sent_max: int
    balanced: bool
    complaints: list[str]
    operator_actions: int

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return asdict(self)


_STATUS = table("message_status", column("campaign_id"), column("status"))  # the view
_PERHAPS_SENT = ("submitted", "in_doubt", "held", "unknown")


def audit(connection: Connection, campaign_id: int) -> Audit:
    """Check the sums of one campaign; complaints say which do not hold.

    Raises:
        UsageError: there is no such campaign, or its rows were dropped after their time.
    """
    # All counts must be of the same moment.
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    take_time(connection)
    shown = summary.show(connection, campaign_id)
    kept_rows.require(connection, campaign_id)
    message, attempt, chunk, entry = tables.message, tables.attempt, tables.chunk, tables.audit_entry
    invalid_rows = _count(connection, tables.invalid_row.c.campaign_id == campaign_id)
    actions = _count(connection, and_(entry.c.campaign_id == campaign_id, entry.c.action.in_(DECISIONS)))
    statuses = _counted(connection, _STATUS.c.status, _STATUS.c.campaign_id == campaign_id)
    codes = _counted(connection, message.c.result_code, message.c.campaign_id == campaign_id)
    left_out = _counted(connection, message.c.suppressed, message.c.campaign_id == campaign_id)
    in_campaign = attempt.c.chunk_id.in_(select(chunk.c.id).where(chunk.c.campaign_id == campaign_id))
    attempts = _counted(connection, attempt.c.outcome, in_campaign, null_as="open")
    total = sum(statuses.values())
    rows = shown.messages + shown.invalid
    complaints = [
        words
        for holds, words in (
            (
                invalid_rows == shown.invalid,
                worded(
                    "invalid rows: {invalid_rows} are stored, {invalid} were counted at loading",
                    invalid_rows=invalid_rows,
                    invalid=shown.invalid,
                ),
            ),
            (
                total == shown.messages,
                worded(
                    "messages: {total} are stored, {messages} were counted at loading",
                    total=total,
                    messages=shown.messages,
                ),
            ),
            (
                statuses == shown.counts,
                worded("the counters say {counts}, the messages {statuses}", counts=shown.counts, statuses=statuses),
            ),
            (
                left_out == shown.left_out,
                worded(
                    "left out: the counters say {left_out}, the messages {found}",
                    left_out=shown.left_out,
                    found=left_out,
                ),
            ),
            (
                codes == shown.result_codes,
                worded(
                    "the counters say {result_codes}, the messages {codes}",
                    result_codes=shown.result_codes,
                    codes=codes,
                ),
            ),
        )
        if not holds
    ]
    twice = connection.execute(query("taken_twice"), {"campaign_id": campaign_id}).all()
    complaints += [
        f"the provider took {row.lines} lines of chunk {row.chunk_no} twice: it answered OK to them in chunk "
        f"{row.before} too"
        for row in twice
    ]
    sent = statuses.get("ok", 0)
    again = 0 if shown.test else sum(row.lines for row in twice)
    return Audit(
        campaign_id=campaign_id,
        rows=rows,
        messages=shown.messages,
        invalid=shown.invalid,
        statuses=statuses,
        attempts=attempts,
        sent_min=sent,
        sent_max=sent + again + sum(statuses.get(status, 0) for status in _PERHAPS_SENT),
        balanced=not complaints,
        complaints=complaints,
        operator_actions=actions,
    )


def _count(connection: Connection, where: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).where(where)).scalar_one()


def _counted(
    connection: Connection, value: ColumnElement[Any], where: ColumnElement[bool], null_as: str | None = None
) -> dict[Any, int]:
    """How many rows have each value; those without one count as `null_as`, or not at all."""
    rows = connection.execute(select(value, func.count()).where(where).group_by(value)).all()
    named = {null_as if found is None else found: n for found, n in rows}
    return {name: n for name, n in named.items() if name is not None}
