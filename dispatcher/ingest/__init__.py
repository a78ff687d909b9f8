"""From a file to valid messages: open a list, check every row, hand over batches.

    with open_source("clientes.csv") as source:
        for batch in ingest(source, IngestOptions("Hola {nombre}. Empresa SA")):
            ...

Memory does not grow with the file, except for about two bytes per recipient to detect duplicates.
"""

from __future__ import annotations

from collections.abc import Iterator

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest.blocks import column
from dispatcher.ingest.columns import INVALID_COLUMNS, NoNumberColumn
from dispatcher.ingest.files import Source, from_recipients, open_source
from dispatcher.ingest.numbers import Recipients, destinos
from dispatcher.ingest.options import IngestOptions
from dispatcher.ingest.reading import Reading
from dispatcher.ingest.remarks import Remark
from dispatcher.ingest.validate import (
    INVALID_ROWS,
    MESSAGES,
    UNFIT,
    Batch,
    Checker,
    LeftOut,
    batches,
    nobody,
)

__all__ = [
    "INVALID_COLUMNS",
    "INVALID_ROWS",
    "MESSAGES",
    "UNFIT",
    "Batch",
    "IngestOptions",
    "Reading",
    "Recipients",
    "Remark",
    "Source",
    "from_recipients",
    "ingest",
    "open_source",
]

BATCH_ROWS = 50_000
_LOOKED_AT = 100


def ingest(
    source: Source,
    options: IngestOptions,
    left_out: LeftOut = nobody,
    *,
    batch_rows: int = BATCH_ROWS,
    recipients: Recipients | None = None,
    look: bool = False,
) -> Iterator[Batch]:
    """Check all rows of `source`, `batch_rows` at most at a time; may be called again for another pass.

    `left_out` says which numbers of a column get nothing, and why. Their rows become suppressed messages, even when
    something else in the row is wrong. `recipients` are the numbers that have a message already; those of the list join
    them. `look` fills `Batch.looked`.

    A problem with the template, the options or the headings raises UsageError here, before a row is read. A list
    without rows, and an XLSX file that is damaged further down, raise it from the iterator.
    """
    if batch_rows < 1:
        raise ValueError("batch_rows must be at least 1")
    if not source.table.columns:
        raise UsageError(worded("{name} is empty", name=source.name), hint=translated("give at least one recipient"))
    try:
        checker = Checker(source.table.columns, options, left_out, recipients, look=look)
    except NoNumberColumn as error:
        raise UsageError(_sentences(error, source), hint=_column_of_numbers(source, options) or error.hint) from None
    except UsageError as error:
        raise UsageError(_sentences(error, source), hint=error.hint) from None
    return batches(
        source.table.blocks(checker.wanted, batch_rows, checker.verbatim, checker.wanted), checker, source.name
    )


def _sentences(error: UsageError, source: Source) -> str:
    """Return what is wrong, and which separators were tried when that may be why."""
    tried = [remark.sentence for remark in source.remarks if remark.code == "separator"]
    return ". ".join([str(error), *tried])


def _column_of_numbers(source: Source, options: IngestOptions) -> str | None:
    """Return advice that names the column whose values are numbers, when one column's are."""
    columns = source.table.columns
    block = next(source.table.blocks(range(len(columns)), _LOOKED_AT), None)
    if block is None:
        return None
    for at, name in enumerate(columns):
        values = block.frame[column(at)].drop_nulls()
        values = values.filter(values != "")
        numbers, _ = destinos(values, options.country)
        if name and numbers.null_count() * 5 < len(values):
            return worded("{name!r} holds numbers: take them with --to-column {name!r} (to_column)", name=name)
    return None
