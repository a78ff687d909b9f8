"""The file of the No Llame registry becomes the registry: all of it in one step, or nothing.

The file is read to its end first. Then one transaction writes the difference to the registry before, which is small
from month to month: who looks meanwhile sees the one or the other whole, and nothing waits.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import polars as pl
from pyroaring import BitMap64
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from dispatcher import audit_trail
from dispatcher.db.bulk_copy import copy_frame
from dispatcher.db.statements import query
from dispatcher.db.storable import storable
from dispatcher.db.transactions import take_time
from dispatcher.domain.window import provider_local
from dispatcher.errors import DispatcherError, UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import Source
from dispatcher.suppression import number_files
from dispatcher.suppression.number_files import Unread
from schemas import tables

_AT_ONCE = 50_000
_LOCK = 7110
_LEAST_SHARE = 0.5
"""A registry that is less than this of the one before is rather a file that was cut off."""

_no_llame, _registry = tables.no_llame, tables.no_llame_registry


class FarSmaller(UsageError):
    """The file has less than half of the numbers of the registry that it would replace."""


class Older(UsageError):
    """The file was taken before the registry that it would replace."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What came of an import: numbers now and before, what changed, and rows that hold no number."""

    numbers: int
    before: int
    added: int
    removed: int
    unread: Unread


def read(source: Source, country: str, to_column: str | None) -> tuple[BitMap64, Unread]:
    """Every number of a file, about two bytes each, and its bad rows.

    Raises:
        UsageError: the file is not a table, holds no number, or no column can be told to hold numbers.
    """
    numbers = BitMap64()

    def take(found: list[str]) -> None:
        nonlocal numbers
        numbers |= BitMap64(array("Q", map(int, found)))

    unread = number_files.read(source, country, take, to_column=to_column, area=None)
    if not numbers:
        raise UsageError(
            worded("{name} has no numbers.", name=source.name), hint=translated("Give a file with one number a line.")
        )
    return numbers, unread


def replace(
    connection: Connection,
    numbers: BitMap64,
    unread: Unread,
    source_name: str,
    taken_at: datetime | None = None,
    *,
    force: bool = False,
) -> Replaced:
    """Make these numbers the registry, in the caller's transaction. `taken_at` is the age of the file; None: of now.

    Raises:
        FarSmaller: it has less than half of the numbers of the one before, and `force` was not given.
        Older: it was taken before the one that it would replace, and `force` was not given.
        UsageError: it was taken in the future.
    """
    if taken_at is not None and taken_at > datetime.now(UTC):
        raise UsageError(translated("The registry cannot have been taken in the future."))
    take_time(connection)
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))  # one import at a time
    kept = connection.execute(select(_registry.c.bitmap, _registry.c.taken_at)).first()
    before = BitMap64.deserialize(kept.bitmap) if kept is not None else BitMap64()
    if kept is not None and taken_at is not None and taken_at < kept.taken_at and not force:
        raise Older(
            worded(
                "The registry here was taken on {kept:%Y-%m-%d}, after this file ({taken:%Y-%m-%d}). "
                "Nothing was changed.",
                kept=provider_local(kept.taken_at),
                taken=provider_local(taken_at),
            ),
            hint=translated("Give --force if the older one is meant."),
        )
    if len(numbers) < len(before) * _LEAST_SHARE and not force:
        raise FarSmaller(
            worded(
                "{name} has {n:,} numbers, and the registry has {before:,}: less than half. Nothing was changed.",
                name=source_name,
                n=len(numbers),
                before=len(before),
            ),
            hint=translated("Look whether the file is whole; give --force if it is."),
        )
    added, removed = numbers - before, before - numbers
    _add(connection, added)
    _remove(connection, removed)
    audit = {"numbers": len(numbers), "added": len(added), "removed": len(removed), "invalid": unread.invalid}
    audit_trail.record(connection, "nollame.import", detail=audit)
    values = {
        "numbers": len(numbers),
        "bitmap": numbers.serialize(),
        "version": secrets.token_hex(8),
        "taken_at": taken_at or func.now(),
        "imported_at": func.now(),
        "imported_by": str(audit_trail.current()),
        "source": storable(source_name)[:255],
    }
    new = insert(_registry).values(values)
    connection.execute(new.on_conflict_do_update(index_elements=["only_one"], set_=values))
    return Replaced(len(numbers), len(before), len(added), len(removed), unread)


def _add(connection: Connection, numbers: BitMap64) -> None:
    for batch in _batches(numbers):
        copy_frame(connection, f"COPY {_no_llame.name} FROM STDIN (FORMAT csv)", pl.DataFrame({"destino": batch}))


def _remove(connection: Connection, numbers: BitMap64) -> None:
    gone = 0
    for batch in _batches(numbers):
        gone += connection.execute(query("remove_no_llame"), {"numbers": batch}).rowcount
    if gone != len(numbers):
        raise DispatcherError(
            translated("The tables no_llame and no_llame_registry do not agree: somebody changed one of them."),
            hint=translated("Empty both (TRUNCATE no_llame, no_llame_registry) and import the file again."),
        )


def _batches(numbers: BitMap64) -> Iterator[list[str]]:
    """The numbers in ascending order, so that the index grows at its end."""
    every = iter(numbers)
    while batch := [str(number) for number in islice(every, _AT_ONCE)]:
        yield batch
