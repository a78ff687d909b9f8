"""The audit: the sums of a campaign, counted from the messages themselves and held against the counters."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

from dispatcher.campaigns import lifecycle
from dispatcher.db.transactions import take_time


@dataclass(frozen=True)
class Audit:
    """Rows = messages + invalid, messages = Σ statuses; what was sent, as a range while anything is unknown."""

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
    decisions: int  # of operators

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return asdict(self)


_PERHAPS_SENT = ("submitted", "in_doubt", "held", "unknown")


def audit(connection: Connection, campaign_id: int) -> Audit:
    """Prove the sums of one campaign, or say which does not hold.

    Raises:
        UsageError: there is no such campaign.
    """
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    take_time(connection)
    shown = lifecycle.show(connection, campaign_id)
    key = {"id": campaign_id}
    invalid_rows = connection.execute(
        text("SELECT count(*) FROM invalid_row WHERE campaign_id = :id"), key
    ).scalar_one()
    statuses = _counted(
        connection, "SELECT status, count(*) FROM message_status WHERE campaign_id = :id GROUP BY status", key
    )
    codes = _counted(
        connection,
        "SELECT result_code, count(*) FROM message WHERE campaign_id = :id AND result_code IS NOT NULL GROUP BY 1",
        key,
    )
    left_out = _counted(
        connection,
        "SELECT suppressed, count(*) FROM message WHERE campaign_id = :id AND suppressed IS NOT NULL GROUP BY 1",
        key,
    )
    attempts = _counted(
        connection,
        "SELECT coalesce(t.outcome, 'open'), count(*) FROM attempt t JOIN chunk k ON k.id = t.chunk_id "
        "WHERE k.campaign_id = :id GROUP BY 1",
        key,
    )
    decisions = connection.execute(
        text("SELECT count(*) FROM operator_action WHERE campaign_id = :id"), key
    ).scalar_one()
    total = sum(statuses.values())
    rows = shown.messages + shown.invalid
    complaints = [
        words
        for holds, words in (
            (
                invalid_rows == shown.invalid,
                f"{invalid_rows} invalid rows are stored, {shown.invalid} were counted at loading",
            ),
            (total == shown.messages, f"{total} messages are stored, {shown.messages} were counted at loading"),
            (statuses == shown.counts, f"the counters say {shown.counts}, the messages {statuses}"),
            (left_out == shown.left_out, f"left out: the counters say {shown.left_out}, the messages {left_out}"),
            (codes == shown.result_codes, f"the counters say {shown.result_codes}, the messages {codes}"),
        )
        if not holds
    ]
    sent = statuses.get("ok", 0)
    return Audit(
        campaign_id=campaign_id,
        rows=rows,
        messages=shown.messages,
        invalid=shown.invalid,
        statuses=statuses,
        attempts=attempts,
        sent_min=sent,
        sent_max=sent + sum(statuses.get(status, 0) for status in _PERHAPS_SENT),
        balanced=not complaints,
        complaints=complaints,
        decisions=decisions,
    )


def _counted(connection: Connection, statement: str, key: dict[str, int]) -> dict[Any, int]:
    return {name: int(n) for name, n in connection.execute(text(statement), key).all()}
