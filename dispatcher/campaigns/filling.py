"""Filling a campaign whose row is there: its rows become messages, invalid rows and chunks, batch by batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import polars as pl
from sqlalchemy import Connection, update

from dispatcher.campaigns.chunk_plan import ChunkPlan
from dispatcher.campaigns.repeats import Fingerprint, Repeat
from dispatcher.campaigns.totals import Totals
from dispatcher.db.bulk_copy import Copier, copy_frame
from dispatcher.errors import ListRefused
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import Batch, Remark
from schemas import tables


@dataclass(kw_only=True)
class Loaded(Totals):
    """A loaded campaign."""

    campaign_id: int
    list_no: int = 1  # above 1, the list was appended
    warnings: list[str] = field(default_factory=list)  # the account cannot carry it; the start is past; it is a repeat
    reading: list[Remark] = field(default_factory=list)  # what was taken for granted in the list, or stands out
    repeats: list[Repeat] = field(default_factory=list)
    refused: list[pl.DataFrame] = field(default_factory=list)  # the invalid rows before the first message


MOST_REFUSED = 100_000
"""Invalid rows that are kept in memory of a list that may turn out to have no good one."""


class NothingToSend(ListRefused):
    """Every row of a list is invalid, so there is no campaign; `invalid_rows` are they."""

    def __init__(self, name: str, invalid_rows: list[pl.DataFrame]) -> None:
        """Say how many rows there were."""
        self.invalid_rows = pl.concat(invalid_rows)
        reasons = self.invalid_rows["reason"].value_counts(sort=True).head(5).iter_rows()
        listed = ", ".join(worded("{reason} {n:,}", reason=reason, n=n) for reason, n in reasons)
        super().__init__(
            worded("Not one row of {name} is good ({listed}). Nothing was loaded.", name=name, listed=listed),
            hint=translated("Correct the rows; each has its reason."),
        )


def fill(
    connection: Connection,
    loaded: Loaded,
    account_id: int,
    plan: ChunkPlan,
    name: str,
    batches: Iterator[Batch],
    progress: Callable[[Batch], None] | None = None,
) -> Fingerprint:
    """Put the rows of a list, which sentences call `name`, into a campaign that has none, and count them in `loaded`.

    Raises:
        NothingToSend: every row is invalid.
        UsageError: as the batches raise it.
    """
    fingerprint = Fingerprint()
    with Copier(connection) as copier:
        for batch in batches:
            copy_batch(copier, loaded, plan, batch)
            fingerprint.add(batch)
            if progress:
                progress(batch)
    if not loaded.messages:
        raise NothingToSend(name, loaded.refused)
    if moved := plan.finish():
        _move_line(connection, loaded.campaign_id, *moved)
    chunks = plan.chunks(account_id)
    copy_frame(connection, copy_into(tables.chunk.name, chunks), chunks)
    return fingerprint


def _move_line(connection: Connection, campaign_id: int, seq: int, chunk_no: int) -> None:
    """The last line to send moves to the chunk that is posted after the others."""
    message = tables.message
    connection.execute(
        update(message).values(chunk_no=chunk_no).where(message.c.campaign_id == campaign_id, message.c.seq == seq)
    )


def copy_batch(copier: Copier, loaded: Loaded, plan: ChunkPlan, batch: Batch, into: str = "message") -> None:
    """Hand a batch to the database, its messages into the table `into`, and count it."""
    rows = batch.messages
    numbers = plan.assign(rows["encoded_bytes"], rows["suppressed"].is_not_null())
    campaign_id = pl.lit(loaded.campaign_id).alias("campaign_id")
    messages = rows.select(
        campaign_id,
        pl.int_range(loaded.messages + 1, loaded.messages + rows.height + 1, dtype=pl.Int32).alias("seq"),
        numbers.alias("chunk_no"),
        "line",
        "destino",
        "texto",
        "external_id",
        "suppressed",
    )
    copier.put(copy_into(into, messages), messages)
    list_no = pl.lit(loaded.list_no, pl.Int16).alias("list_no")
    invalid_rows = batch.invalid_rows.select(campaign_id, list_no, "line", "raw", "code", "reason", "detail", "facts")
    copier.put(copy_into(tables.invalid_row.name, invalid_rows), invalid_rows)
    loaded.add(batch)
    if loaded.messages:
        loaded.refused.clear()
    elif sum(frame.height for frame in loaded.refused) < MOST_REFUSED:
        loaded.refused.append(batch.invalid_rows)


def copy_into(table: str, frame: pl.DataFrame) -> str:
    """The COPY statement that takes a frame's columns."""
    return f"COPY {table} ({', '.join(frame.columns)}) FROM STDIN (FORMAT csv)"
