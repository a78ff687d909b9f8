"""The transaction's own table of result lines: what the statements that settle a batch read."""

from collections.abc import Callable

import polars as pl
from sqlalchemy import Connection, delete
from sqlalchemy.schema import CreateTable

from schemas.tables import settle_line

_CREATE = CreateTable(settle_line, if_not_exists=True)
_DELETE = delete(settle_line)
_COPY = f"COPY settle_line ({', '.join(settle_line.columns.keys())}) FROM STDIN (FORMAT csv)"


def stage(connection: Connection, lines: pl.DataFrame, *, refusals_count: bool) -> None:
    """Add lines to the table by COPY, and create the table if this session does not have it yet.

    Args:
        connection: its transaction's end empties the table.
        lines: columns campaign_id, seq, generation, root_no, code, fecha, text.
        refusals_count: a -4 on a resent line counts like any other result.
    """
    connection.execute(_CREATE)
    data = lines.select(
        "campaign_id",
        "seq",
        "generation",
        # With no root, a -4 on a resent line counts like any other.
        pl.lit(None, pl.Int32).alias("root_no") if refusals_count else pl.col("root_no"),
        "code",
        _of_distinct(lines["fecha"], lambda fechas: fechas.dt.strftime("%Y-%m-%d %H:%M:%S-03")),
        _of_distinct(lines["text"], _stored_words),
    ).write_csv(include_header=False, quote_style="necessary")
    raw = connection.connection.driver_connection
    assert raw is not None
    with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(data)


def clear(connection: Connection) -> None:
    """Empty the table within the transaction."""
    connection.execute(_DELETE)


def _of_distinct(column: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Change a column that has few distinct values."""
    distinct = column.unique()
    return column.replace_strict(distinct, change(distinct))


def _stored_words(texts: pl.Series) -> pl.Series:
    """What the table keeps of the provider's words: null for OK."""
    plain = texts.str.replace_all("\x00", " ", literal=True)
    return plain.set(texts.str.strip_chars().str.to_uppercase() == "OK", None)
