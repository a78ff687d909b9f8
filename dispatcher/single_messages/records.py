"""Records of single messages: one for each idinterno, taken by one call at a time.

What is committed here before a call is what keeps a message from going out twice: a record that another process has,
that was accepted, or whose outcome nobody knows, is never taken by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.errors import UsageError
from dispatcher.provider.codes import MEANING
from dispatcher.single_messages.checks import Draft
from dispatcher.transports import Transport
from schemas.single import SingleMessage

LEASE_MARGIN = 30.0
"""Seconds after the longest possible call when a record that still says `sending` becomes `unknown`."""

_GOOD = ("accepted", "simulated", "handed_over")
_AGAIN = ("failed", "refused")


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message.

    `status`: accepted, simulated (TEST), handed_over (a mail server has it), rejected (by the provider), refused (by
    us, before anything left), failed (proven not delivered), unknown, or sending (another call has it right now).
    """

    idinterno: str
    number: str
    status: str
    code: int | None
    text: str
    transport: str

    @property
    def good(self) -> bool:
        """Whether it is done as far as this transport can tell."""
        return self.status in _GOOD

    def as_json(self) -> dict[str, Any]:
        """What `dispatcher send --json` answers."""
        return {
            "status": self.status,
            "result_code": self.code,
            "result_text": self.text,
            "meaning": MEANING.get(self.code) if self.code is not None else None,
            "idinterno": self.idinterno,
            "number": self.number,
            "transport": self.transport,
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """A committed record: this process alone may make its call, once."""

    id: int
    attempt: int
    account_id: int
    number: str
    again: bool  # an earlier call of it had an unknown outcome


def take(
    connection: Connection,
    settings: Settings,
    account_id: int,
    idinterno: str,
    wanted: SingleMessage,
    transport: Transport,
    draft: Draft,
    first_only: bool,
) -> Taken | Sent:
    """Record a message, or take one that may be called again; what became of it when neither may be."""
    refusal = draft.refusal
    lease = settings.provider_timeout + LEASE_MARGIN
    new = connection.execute(
        query("take_single"),
        {
            "account_id": account_id,
            "idinterno": idinterno,
            "destino": draft.number,
            "texto": draft.storable_text,
            "transport": transport,
            "test": wanted.test,
            "start_at": draft.start_at,
            "html": wanted.html,
            "state": "refused" if refusal else "sending",
            "code": refusal.code if refusal else None,
            "text": refusal.words if refusal else None,
            "lease": lease,
        },
    ).first()
    if new is not None:
        if settings.rate:
            _count_for_rate(connection, account_id, settings.rate)
        if refusal:
            return Sent(idinterno, draft.number, "refused", refusal.code, refusal.words, transport)
        return Taken(new.id, new.attempt, account_id, draft.number, again=False)
    connection.execute(query("expire_singles"))
    row = _row(connection, account_id, idinterno)
    if (row.destino, row.texto, row.html) != (draft.number, draft.storable_text, wanted.html):
        raise UsageError(
            f"Another message has the idinterno {idinterno}.", hint="Give each message an idinterno of its own."
        )
    if first_only:
        return _sent(row)
    states = [*_AGAIN, "unknown"] if wanted.retry_unknown else [*_AGAIN]
    if row.state not in states or (refusal and row.state == "unknown"):
        return _sent(row)
    if refusal:
        return Sent(idinterno, draft.number, "refused", refusal.code, refusal.words, transport)
    retaken = connection.execute(
        query("retake_single"),
        {"id": row.id, "attempt": row.attempt, "states": states, "transport": transport, "lease": lease},
    ).first()
    if retaken is None:
        return _sent(row)
    return Taken(retaken.id, retaken.attempt, account_id, draft.number, again=row.state == "unknown")


def _count_for_rate(connection: Connection, account_id: int, rate: int) -> None:
    """A single message waits for no slot, but the campaigns after it wait for its share of the rate."""
    connection.execute(
        text(
            "UPDATE account SET rate_free_at = greatest(rate_free_at, clock_timestamp()) "
            "+ make_interval(secs => 60.0 / :rate) WHERE id = :id"
        ),
        {"rate": rate, "id": account_id},
    )


def finish(connection: Connection, taken: Taken, sent: Sent) -> None:
    """Write the outcome of the call down."""
    connection.execute(
        query("finish_single"),
        {
            "id": taken.id,
            "attempt": taken.attempt,
            "state": sent.status,
            "code": sent.code,
            "text": sent.text[:500].replace("\x00", " "),
        },
    )


def expire(connection: Connection) -> int:
    """Records whose process died before the outcome: `unknown`. Returns how many."""
    return len(connection.execute(query("expire_singles")).all())


def _row(connection: Connection, account_id: int, idinterno: str) -> Any:
    return connection.execute(
        text("SELECT * FROM single_message WHERE account_id = :account AND upper(idinterno) = upper(:idinterno)"),
        {"account": account_id, "idinterno": idinterno},
    ).first()


def _sent(row: Any) -> Sent:
    return Sent(row.idinterno, row.destino, row.state, row.code, row.text or "", row.transport)
