"""One message by its idinterno: a campaign's or a single one, with every attempt and every result line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, column, func, select, table

from dispatcher.accounts import binding
from dispatcher.config import Settings
from dispatcher.domain import idinterno as ids
from schemas import tables

_LARGEST_SEQ = 2**31 - 1

_status = table(
    "message_status",
    *map(
        column,
        (
            *("campaign_id", "seq", "external_id", "destino", "texto", "idinterno", "status", "result_code"),
            *("result_text", "chunk_no", "submitted_at", "processed_at"),
        ),
    ),
)


class Attempt(NamedTuple):
    """A POST with the message in it; times are moments."""

    at: datetime
    outcome: str | None
    detail: str | None


class ResultLine(NamedTuple):
    """What the provider said about it; `fecha` is a moment."""

    fecha: datetime
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Life:
    """All that is known of a message."""

    idinterno: str
    kind: Literal["campaign", "single"]
    campaign_id: int | None
    seq: int | None
    external_id: str | None
    number: str
    text: str
    status: str
    result_code: int | None
    result_text: str | None
    submitted_at: datetime | None
    processed_at: datetime | None
    attempts: list[Attempt]
    result_lines: list[ResultLine]


def find(connection: Connection, settings: Settings, idinterno: str) -> Life | None:
    """The message that has this idinterno, in any case and under any generation; None when there is none."""
    ours = ids.decode(idinterno)
    if ours is not None and (found := _of_campaign(connection, ours)) is not None:
        return found
    return _single(connection, settings, idinterno)


def of_campaign(connection: Connection, campaign_id: int, seq: int) -> Life | None:
    """The message of a campaign that has this place in it; None when there is none."""
    if not 0 < seq <= _LARGEST_SEQ:  # Postgres refuses to compare with anything larger
        return None
    row = connection.execute(select(_status).where(_status.c.campaign_id == campaign_id, _status.c.seq == seq)).first()
    return _life(connection, row) if row is not None else None


def _of_campaign(connection: Connection, ours: ids.Idinterno) -> Life | None:
    where = (_status.c.campaign_id == ours.campaign_id, _status.c.seq == ours.seq)
    row = connection.execute(
        select(_status)
        .where(*where, tables.campaign.c.prefix == ours.prefix)
        .join_from(_status, tables.campaign, tables.campaign.c.id == _status.c.campaign_id)
    ).first()
    return _life(connection, row) if row is not None else None


def _life(connection: Connection, row: Any) -> Life:
    return Life(
        idinterno=row.idinterno,
        kind="campaign",
        campaign_id=row.campaign_id,
        seq=row.seq,
        external_id=row.external_id,
        number=row.destino,
        text=row.texto,
        status=row.status,
        result_code=row.result_code,
        result_text=row.result_text,
        submitted_at=row.submitted_at,
        processed_at=row.processed_at,
        attempts=_attempts(connection, row.campaign_id, row.chunk_no),
        result_lines=_lines(connection, row),
    )


def _attempts(connection: Connection, campaign_id: int, chunk_no: int) -> list[Attempt]:
    """The POSTs of the message's chunk and of those that it was split from, in order."""
    chunk, attempt = tables.chunk, tables.attempt
    known: dict[int, Any] = {}
    wanted: int | None = chunk_no
    while wanted is not None and wanted not in known:
        chosen = select(chunk.c.id, chunk.c.parent_no).where(
            chunk.c.campaign_id == campaign_id, chunk.c.chunk_no == wanted
        )
        row = connection.execute(chosen).one()
        known[wanted] = row.id
        wanted = row.parent_no
    rows = connection.execute(
        select(attempt.c.claimed_at, attempt.c.outcome, attempt.c.detail)
        .where(attempt.c.chunk_id.in_(list(known.values())))
        .order_by(attempt.c.claimed_at)
    )
    return [Attempt(*row) for row in rows]


def _lines(connection: Connection, row: Any) -> list[ResultLine]:
    """Every distinct line, the settled one among them."""
    line = tables.result_line
    kept = connection.execute(
        select(line.c.fecha, line.c.code, line.c.text)
        .where(line.c.campaign_id == row.campaign_id, line.c.seq == row.seq)
        .order_by(line.c.fecha)
    )
    found = [ResultLine(*each) for each in kept]
    if row.result_code is not None and row.processed_at is not None:
        settled = ResultLine(row.processed_at, row.result_code, row.result_text or "")
        if settled not in found:
            found.append(settled)
    return sorted(found)


def _single(connection: Connection, settings: Settings, idinterno: str) -> Life | None:
    account = binding.find(connection, settings)
    if account is None:
        return None
    single = tables.single_message
    same = func.upper(single.c.idinterno) == idinterno.upper()
    row = connection.execute(select(single).where(single.c.account_id == account.id, same)).first()
    if row is None:
        return None
    return Life(
        idinterno=row.idinterno,
        kind="single",
        campaign_id=None,
        seq=None,
        external_id=None,
        number=row.destino,
        text=row.texto,
        status=row.state,
        result_code=row.code,
        result_text=row.text,
        submitted_at=row.created_at,
        processed_at=row.finished_at,
        attempts=[Attempt(row.created_at, None if row.state == "sending" else row.state, row.text)],
        result_lines=[],
    )
