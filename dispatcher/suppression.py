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
    raw = connection.connection.driver_connection
    assert raw is not None
    with raw.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT") as copy:
        data = b"".join(bytes(part) for part in copy)
    written = pl.Series(data.decode().split("\n"), dtype=pl.String)
    return BitMap64(array("Q", written.filter(written.str.contains(_NATIONAL)).cast(pl.Int64).to_list()))
