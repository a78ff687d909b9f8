"""Records of single messages: one for each idinterno, taken by one call at a time.

A record is committed before its call, and that keeps a message from going out twice: nobody takes a record by itself
when another process has it, when it was accepted, or when its outcome is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from dispatcher.config import Settings
from dispatcher.db.statements import query
from dispatcher.db.storable import storable
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from dispatcher.provider.codes import MEANING
from dispatcher.single_messages.checks import CheckedMessage
from dispatcher.transports import TRANSPORTS, Transport
from schemas import tables
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
class Request:
    """A message that somebody wants to be sent, with all that its record needs.

    `first_only`: only when it has no record yet, not even one that was proven undelivered.
    """

    account_id: int
    idinterno: str
    wanted: SingleMessage
    transport: Transport
    checked: CheckedMessage
    first_only: bool = False

    @property
    def callable_states(self) -> list[str]:
        """The states of an earlier record that this request may follow with a call of its own."""
        if self.first_only:
            return []
        # Our own refusal says nothing about a call whose outcome is unknown.
        unknown_too = self.wanted.retry_unknown and self.checked.refusal is None
        return [*_AGAIN, "unknown"] if unknown_too else [*_AGAIN]

    def is_recorded_in(self, row: Row[Any]) -> bool:
        """Whether a record is this very message's."""
        return (row.destino, row.texto, row.html) == (self.checked.number, self.checked.storable_text, self.wanted.html)

    def refused(self) -> Sent:
        """What became of it when our own checks refuse it."""
        refusal = self.checked.refusal
        assert refusal is not None
        return Sent(self.idinterno, self.checked.number, "refused", refusal.code, refusal.words, self.transport)


@dataclass(frozen=True, slots=True)
class Taken:
    """A committed record: this process alone may make its call, once."""

    id: int
    attempt: int
    account_id: int
    number: str
    again: bool  # an earlier call of it had an unknown outcome


def take(connection: Connection, settings: Settings, request: Request) -> Taken | Sent:
    """Record a message, or take a record that may be called again; what became of the message when neither may be.

    Raises:
        UsageError: its idinterno is another message's.
    """
    lease = settings.provider_timeout + LEASE_MARGIN
    new = _record(connection, request, lease)
    if new is not None:
        if settings.rate:
            _count_for_rate(connection, request.account_id, settings.rate)
        if request.checked.refusal is not None:
            return request.refused()
        return Taken(new.id, new.attempt, request.account_id, request.checked.number, again=False)
    return _take_again(connection, request, lease)


def refuse(
    connection: Connection,
    account_id: int,
    idinterno: str,
    fields: dict[str, Any],
    words: str,
    transport: Transport,
) -> None:
    """Record that a message cannot be sent; nothing when its idinterno has a record already.

    `fields` are those of the payload, whatever they hold; `transport` is the configured one.
    """
    number, texto = (value if isinstance(value := fields.get(name), str) else "" for name in ("number", "text"))
    parameters = {
        "account_id": account_id,
        "idinterno": idinterno,
        "destino": storable(number[:40]),
        "texto": storable(texto[:2000]),
        "transport": given if (given := fields.get("transport")) in TRANSPORTS else transport,
        "test": False,
        "start_at": None,
        "html": None,
        "state": "refused",
        "code": None,
        "text": storable(words[:500]),
        "lease": 0,
    }
    connection.execute(query("take_single"), parameters)


def _record(connection: Connection, request: Request, lease: float) -> Row[Any] | None:
    """A new record, `sending` or `refused`; None when the idinterno has one already."""
    checked, wanted = request.checked, request.wanted
    refusal = checked.refusal
    parameters = {
        "account_id": request.account_id,
        "idinterno": request.idinterno,
        "destino": checked.number,
        "texto": checked.storable_text,
        "transport": request.transport,
        "test": wanted.test,
        "start_at": checked.start_at,
        "html": wanted.html,
        "state": "refused" if refusal else "sending",
        "code": refusal.code if refusal else None,
        "text": refusal.words if refusal else None,
        "lease": lease,
    }
    return connection.execute(query("take_single"), parameters).first()


def _take_again(connection: Connection, request: Request, lease: float) -> Taken | Sent:
    """Take the record that the idinterno has, if this request may follow it."""
    expire(connection)
    row = _row(connection, request.account_id, request.idinterno)
    if not request.is_recorded_in(row):
        raise UsageError(
            worded("Another message has the idinterno {idinterno}.", idinterno=request.idinterno),
            hint="Give each message an idinterno of its own.",
        )
    states = request.callable_states
    if row.state not in states:
        return _sent(row)
    if request.checked.refusal is not None:
        return request.refused()
    again = {"id": row.id, "attempt": row.attempt, "states": states, "transport": request.transport, "lease": lease}
    taken = connection.execute(query("retake_single"), again).first()
    if taken is None:
        return _sent(row)
    return Taken(taken.id, taken.attempt, request.account_id, request.checked.number, again=row.state == "unknown")


def _count_for_rate(connection: Connection, account_id: int, rate: int) -> None:
    """A single message waits for no slot, but the campaigns after it wait for its share of the rate."""
    account = tables.account
    free_at = func.greatest(account.c.rate_free_at, func.clock_timestamp()) + timedelta(seconds=60 / rate)
    connection.execute(update(account).where(account.c.id == account_id).values(rate_free_at=free_at))


def finish(connection: Connection, taken: Taken, sent: Sent) -> None:
    """Write down the outcome of the call."""
    outcome = {"state": sent.status, "code": sent.code, "text": storable(sent.text[:500])}
    connection.execute(query("finish_single"), {"id": taken.id, "attempt": taken.attempt, **outcome})


def expire(connection: Connection) -> int:
    """Records whose process died before the outcome was known become `unknown`. Returns how many."""
    return len(connection.execute(query("expire_singles")).all())


def _row(connection: Connection, account_id: int, idinterno: str) -> Row[Any]:
    single = tables.single_message
    same_idinterno = func.upper(single.c.idinterno) == idinterno.upper()
    return connection.execute(select(single).where(single.c.account_id == account_id, same_idinterno)).one()


def _sent(row: Row[Any]) -> Sent:
    return Sent(row.idinterno, row.destino, row.state, row.code, row.text or "", row.transport)
