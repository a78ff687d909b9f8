"""Who gets nothing, as a load sees it: the opt-outs and the do-not-send list, against a column of numbers."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import polars as pl
from pyroaring import BitMap64
from sqlalchemy import Connection

OPTED_OUT = "optout_at_load"
UNDELIVERABLE = "undeliverable_at_load"

# What is no national number cannot be a recipient's.
_NATIONAL = "^[1-9][0-9]{0,17}$"
_BLOCK = 50_000


@dataclass(frozen=True)
class Lists:
    """Both lists at one moment, as compressed bitmaps: about two bytes a number, so millions fit."""

    opted_out: BitMap64 = field(default_factory=BitMap64)
    undeliverable: BitMap64 = field(default_factory=BitMap64)

    @classmethod
    def read(cls, connection: Connection) -> Lists:
        """Read them in the caller's transaction."""
        return cls(
            _numbers(connection, "SELECT destino FROM optout"),
            _numbers(connection, "SELECT destino FROM undeliverable WHERE expires_at > clock_timestamp()"),
        )

    def reasons(self, destino: pl.Series) -> pl.Series:
        """For each number why it is left out (`message.suppressed`), null for those that are not."""
        if not self.opted_out and not self.undeliverable:
            return pl.repeat(None, len(destino), dtype=pl.String, eager=True)
        keys = destino.cast(pl.Int64)
        batch = BitMap64(array("Q", keys.to_list()))
        return (
            pl.DataFrame({"key": keys})
            .select(
                pl.when(_among(batch & self.opted_out))
                .then(pl.lit(OPTED_OUT))
                .when(_among(batch & self.undeliverable))
                .then(pl.lit(UNDELIVERABLE))
                .alias("suppressed")
            )["suppressed"]
            .cast(pl.String)
        )


def _among(numbers: BitMap64) -> pl.Expr:
    return pl.col("key").is_in(pl.Series(list(numbers), dtype=pl.Int64).implode())


def _numbers(connection: Connection, select: str) -> BitMap64:
    """The numbers of a list, read in blocks: a million rows one by one would cost a second and 190 MB."""
    blocks = (
        "SELECT string_agg(destino, chr(1)) "
        f"FROM (SELECT l.*, row_number() OVER () / {_BLOCK} AS block FROM ({select}) l) n GROUP BY block"
    )
    raw = connection.connection.driver_connection
    assert raw is not None
    numbers = BitMap64()
    with raw.cursor() as cursor, cursor.copy(f"COPY ({blocks}) TO STDOUT") as copy:
        for block in copy:
            written = pl.Series([bytes(block)], dtype=pl.Binary).cast(pl.String).str.strip_chars("\n")
            each = written.str.split("\x01").explode()
            keys = each.filter(each.str.contains(_NATIONAL)).cast(pl.Int64).sort()
            numbers |= BitMap64(array("Q", keys.to_list()))
    return numbers
