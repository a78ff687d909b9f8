"""Who gets nothing, as a load sees it: the lists in memory, to check a column of numbers against."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from pyroaring import BitMap64
from sqlalchemy import Connection, Select, func, select

from dispatcher.suppression import do_not_send, erased
from dispatcher.suppression.no_llame import MARKETING
from schemas import tables

OPTED_OUT = "optout_at_load"
NO_LLAME = "no_llame_at_load"
UNDELIVERABLE = "undeliverable_at_load"

# A recipient always has a national number, so other entries match nobody.
_NATIONAL = "^[1-9][0-9]{0,17}$"
_BLOCK = 50_000


@dataclass(frozen=True)
class Lists:
    """The lists at one moment, as compressed bitmaps: about two bytes a number, so millions fit."""

    opted_out: BitMap64 = field(default_factory=BitMap64)
    no_llame: BitMap64 = field(default_factory=BitMap64)  # for marketing
    registry: str | None = None  # its version
    undeliverable: BitMap64 = field(default_factory=BitMap64)
    erased: frozenset[str] = frozenset()  # hashes of persons who had opted out and were erased
    key: bytes | None = None  # that those were made with

    @classmethod
    def read(cls, connection: Connection, home: Path, intent: str) -> Lists:
        """Read those that hold for the intent, in the caller's transaction; `home` has the key of the hashes."""
        key = erased.key_at_hand(connection, home)
        registry = _no_llame(connection) if intent == MARKETING else (BitMap64(), None)
        return cls(
            _numbers(connection, select(tables.optout.c.destino)),
            *registry,
            _numbers(connection, do_not_send.numbers()),
            erased.hashes(connection) if key is not None else frozenset(),
            key,
        )

    def reasons(self, destino: pl.Series) -> pl.Series:
        """Why each number is left out (`message.suppressed`); null for the others."""
        if not (self.opted_out or self.no_llame or self.undeliverable or self.key):
            return pl.repeat(None, len(destino), dtype=pl.String, eager=True)
        keys = destino.cast(pl.Int64)
        batch = BitMap64(array("Q", keys.to_list()))
        opted_out = batch & self.opted_out
        if self.key is not None:  # a hash for each number: only installations that erased somebody pay for it
            opted_out |= BitMap64(map(int, erased.among(destino.to_list(), self.erased, self.key)))
        return (
            pl.DataFrame({"key": keys})
            .select(
                pl.when(_among(opted_out))
                .then(pl.lit(OPTED_OUT))
                .when(_among(batch & self.no_llame))
                .then(pl.lit(NO_LLAME))
                .when(_among(batch & self.undeliverable))
                .then(pl.lit(UNDELIVERABLE))
                .alias("suppressed")
            )["suppressed"]
            .cast(pl.String)
        )


def _among(numbers: BitMap64) -> pl.Expr:
    return pl.col("key").is_in(pl.Series(list(numbers), dtype=pl.Int64).implode())


def _no_llame(connection: Connection) -> tuple[BitMap64, str | None]:
    """The registry, from its bitmap, and its version: to read five million rows would take seconds."""
    registry = tables.no_llame_registry
    row = connection.execute(select(registry.c.bitmap, registry.c.version)).first()
    return (BitMap64.deserialize(row.bitmap), row.version) if row else (BitMap64(), None)


def _numbers(connection: Connection, destinos: Select[str]) -> BitMap64:
    """The numbers of a list, read in blocks: a million rows one by one would cost a second and 190 MB."""
    listed = destinos.add_columns((func.row_number().over() // _BLOCK).label("block")).subquery()
    blocks = select(func.string_agg(listed.c.destino, func.chr(1))).group_by(listed.c.block)
    statement = blocks.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    raw = connection.connection.driver_connection
    assert raw is not None
    numbers = BitMap64()
    with raw.cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT") as copy:
        for block in copy:
            written = pl.Series([bytes(block)], dtype=pl.Binary).cast(pl.String).str.strip_chars("\n")
            each = written.str.split("\x01").explode()
            keys = each.filter(each.str.contains(_NATIONAL)).cast(pl.Int64).sort()
            numbers |= BitMap64(array("Q", keys.to_list()))
    return numbers
