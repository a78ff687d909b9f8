"""Helpers of these tests: a list in memory, and where each of its rows ended."""

from __future__ import annotations

import io
from typing import Any

from dispatcher.ingest import Batch, IngestOptions, Reading, Source, ingest, open_source

SALDO = "Hola {nombre}, su saldo es ${saldo}. Empresa SA"


def batches(
    data: bytes | str | Source, template: str = SALDO, *, batch_rows: int = 50_000, **options: Any
) -> list[Batch]:
    """Read a whole list."""
    if isinstance(data, str):
        data = data.encode()
    source = open_source(io.BytesIO(data)) if isinstance(data, bytes) else data
    with source:
        return list(ingest(source, IngestOptions(template, **options), batch_rows=batch_rows))


def opened(data: bytes | str, **reading: Any) -> Source:
    """Open a list that is to be read in some way."""
    return open_source(io.BytesIO(data.encode() if isinstance(data, str) else data), reading=Reading(**reading))


def outcomes(data: bytes | str | Source, template: str = SALDO, **options: Any) -> dict[int, tuple[Any, ...]]:
    """Return line → ("message", destino, texto) or ("invalid_row", code, reason), each line once."""
    found: dict[int, tuple[Any, ...]] = {}
    for batch in batches(data, template, **options):
        assert batch.rows == batch.messages.height + batch.invalid_rows.height
        rows = [(line, "message", *rest) for line, *rest in batch.messages["line", "destino", "texto"].iter_rows()]
        rows += [
            (line, "invalid_row", *rest) for line, *rest in batch.invalid_rows["line", "code", "reason"].iter_rows()
        ]
        for line, *outcome in rows:
            assert line not in found
            found[line] = tuple(outcome)
    return found
