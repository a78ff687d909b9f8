"""Lists to measure with: what a client's export looks like, in any length, written fast."""

from pathlib import Path

import polars as pl

TEMPLATE = "Hola {nombre}, su saldo es ${saldo}. Empresa SA"
_NAMES = ("José", "María", "Ana", "Juan", "Sofía", "Martín", "Lucía", "Nicolás", "Agustina", "Camila")


def write_list(path: Path, rows: int) -> Path:
    """Write `rows` distinct recipients: one number in ten with blanks and prefix, half of the names with accents."""
    frame = pl.select(n=pl.int_range(rows, dtype=pl.Int64)).with_columns(
        subscriber=(20_000_000 + pl.col("n")).cast(pl.String),
        nombre=(pl.col("n") % len(_NAMES)).replace_strict(dict(enumerate(_NAMES)), return_dtype=pl.String),
    )
    frame.select(
        cliente=pl.format("C{}", pl.col("n") + 1),
        telefono=pl.when(pl.col("n") % 10 == 0)
        .then(pl.format("+54 9 11 {}", "subscriber"))
        .otherwise(pl.format("11{}", "subscriber")),
        nombre="nombre",
        saldo=pl.format("{},{}", pl.col("n") * 7919 % 90_000, pl.col("n") % 90 + 10),
    ).write_csv(path, separator=";")
    return path
