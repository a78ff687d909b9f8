"""Opt-outs from a file: the No Llame register or a list of your own, with or without headings."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Connection

from dispatcher.domain.phone import PhoneProblem, normalise
from dispatcher.errors import UsageError
from dispatcher.ingest import Source
from dispatcher.ingest.blocks import column
from dispatcher.ingest.columns import fold, number_columns
from dispatcher.ingest.numbers import destinos
from dispatcher.suppression import optouts
from dispatcher.suppression.optouts import OptOut

_BATCH = 50_000
INVALID_ROWS_SHOWN = 100
ADDED_SHOWN = 10_000


@dataclass
class Imported:
    """What came of an import: rows = added + known + invalid."""

    added: int = 0
    known: int = 0  # on the list before, or twice in the file
    invalid: int = 0
    optouts: list[OptOut] = field(default_factory=list)  # the first 10,000 of those added
    invalid_rows: list[dict[str, Any]] = field(default_factory=list)  # the first 100: line, raw, code, detail

    def add_invalid(self, line: int, raw: str, code: int | None, detail: str) -> None:
        """Count a row that holds no number."""
        self.invalid += 1
        if len(self.invalid_rows) < INVALID_ROWS_SHOWN:
            self.invalid_rows.append({"line": line, "raw": raw[:100], "code": code, "detail": detail})


def load(connection: Connection, source: Source, country: str, reason: str | None, to_column: str | None) -> Imported:
    """Put every number of a file on the opt-out list, in the caller's transaction.

    Raises:
        UsageError: the file is not a table, or no column can be told to hold numbers.
    """
    done = Imported()
    columns = source.table.columns
    position = _position(columns, country, to_column)
    if not isinstance(normalise(columns[position], country), PhoneProblem):
        _add(connection, pl.Series([columns[position]]), country, reason, done, [(1, columns[position])])
    for block in source.table.blocks([position], _BATCH):
        written = block.frame[column(position)].fill_null("")
        lines = list(zip(block.frame["line"].to_list(), written.to_list(), strict=True))
        _add(connection, written, country, reason, done, lines)
        for invalid_row in block.invalid_rows:
            done.add_invalid(invalid_row.line, invalid_row.raw, invalid_row.code, invalid_row.detail)
    if not done.added + done.known + done.invalid:
        raise UsageError(f"{source.name} has no numbers.", hint="Give a file with one number a line.")
    return done


def _position(columns: Any, country: str, to_column: str | None) -> int:
    """The column of the numbers: as asked, by its name, the one whose heading is itself a number, or the only one."""
    if to_column is not None:
        found = [at for at, name in enumerate(columns) if fold(name) == fold(to_column)]
        if len(found) != 1:
            raise UsageError(f"The file has no column {to_column!r}.", hint=f"It has {', '.join(columns)[:300]}.")
        return found[0]
    with suppress(UsageError):
        return number_columns(columns, None)[0]
    for known in ("numero", "numeros", "linea", "abonado"):
        for at, name in enumerate(columns):
            if fold(name) == known:
                return at
    for at, name in enumerate(columns):
        if not isinstance(normalise(name, country), PhoneProblem):
            return at
    if len(columns) == 1:
        return 0
    raise UsageError(
        "No column of the file is known to hold numbers.", hint="Name it with --to-column, or give one number a line."
    )


def _add(
    connection: Connection,
    written: pl.Series,
    country: str,
    reason: str | None,
    done: Imported,
    lines: list[tuple[int, str]],
) -> None:
    numbers, problems = destinos(written, country)
    for line, raw in lines:
        if raw in problems:
            done.add_invalid(line, raw, problems[raw].code, problems[raw].detail)
    added = optouts.add_many(connection, numbers.drop_nulls().unique().to_list(), source="import", reason=reason)
    done.added += len(added)
    done.known += len(numbers) - numbers.null_count() - len(added)
    done.optouts += added[: ADDED_SHOWN - len(done.optouts)]
