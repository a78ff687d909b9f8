"""Opt-outs from a file: a list of your own, with or without headings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import Source
from dispatcher.suppression import number_files, optouts
from dispatcher.suppression.optouts import OptOut

ADDED_SHOWN = 10_000


@dataclass
class Imported:
    """What came of an import. A row may hold several numbers: all of them are opted out."""

    added: int = 0
    known: int = 0  # numbers that were on the list before, or come twice in the file
    invalid: int = 0  # rows with something in the place of a number that is none
    optouts: list[OptOut] = field(default_factory=list)  # the first 10,000 of those added
    invalid_rows: list[dict[str, Any]] = field(default_factory=list)  # the first 100: line, raw, code, detail


def load(
    connection: Connection,
    source: Source,
    country: str,
    reason: str | None,
    to_column: str | None,
    area: str | None = None,
) -> Imported:
    """Put every number of a file on the opt-out list, in the caller's transaction.

    All columns that hold numbers count, and all numbers of a cell. `area` is the area code of local numbers.

    Raises:
        UsageError: the file is not a table, holds no number, or no column can be told to hold numbers.
    """
    done = Imported()

    def add(numbers: list[str]) -> None:
        added = optouts.add_many(connection, list(dict.fromkeys(numbers)), source="import", reason=reason)
        done.added += len(added)
        done.known += len(numbers) - len(added)
        done.optouts += added[: ADDED_SHOWN - len(done.optouts)]

    unread = number_files.read(source, country, add, to_column=to_column, area=area)
    done.invalid, done.invalid_rows = unread.invalid, unread.invalid_rows
    if not done.added + done.known + done.invalid:
        raise UsageError(
            worded("{name} has no numbers.", name=source.name), hint=translated("Give a file with one number a line.")
        )
    return done
