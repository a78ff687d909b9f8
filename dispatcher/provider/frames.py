"""Status answers column-wise: a slice of raw bytes becomes a data frame, without a Python object a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from dispatcher.provider.codes import sentence_to_code

_FECHA_FORMAT = "%Y%m%d%H%M%S"
_FECHA = r"^[0-9]{12}[0-5][0-9]$"
_NUMBER_PREFIX = r"^\s*\d{1,20}\s*:\s*"

SCHEMA: dict[str, pl.DataType] = {
    "idinterno": pl.String(),
    "fecha": pl.Datetime("us"),
    "text": pl.String(),
    "code": pl.Int16(),
}
"""What a result line says, as the provider gave it; `fecha` naive provider time (GMT-3)."""

_EMPTY = pl.DataFrame(schema={**SCHEMA, "hash": pl.UInt64()})


@dataclass(frozen=True, slots=True)
class StatusFrame:
    """The result lines of one slice: the columns of `SCHEMA`, and `hash` (uint64) of the whole line.

    `skipped` counts the lines that were seen before, of which nothing else is known here; `malformed` the non-empty
    lines that are no result line; `unmapped` the result lines of each sentence (without its "NUMBER: ") whose code is
    -99 because nothing recognised it.
    """

    frame: pl.DataFrame
    malformed: int
    unmapped: dict[str, int]
    skipped: int = 0


def parse_slice(body: bytes, unseen: Callable[[pl.Series], pl.Series] | None = None) -> StatusFrame:
    """Read lines `idinterno TAB YYYYMMDDHHNNSS TAB text` ended by CRLF, LF or CR, decoded as latin-1.

    A slice must end at a line end. Memory is a small multiple of the slice. PENDIENTE gives no line at all.
    `unseen` tells by the hashes of lines which of them are worth reading; all, without it.
    """
    if body[:64].strip().lower() == b"pendiente" and not body[64:].strip():
        return StatusFrame(_EMPTY, 0, {})
    every = _lines(body)
    hashes = every.hash().alias("hash")
    lines = every
    if unseen is not None:
        new = unseen(hashes)
        if not new.all():
            lines, hashes = every.filter(new), hashes.filter(new)
    frame = _columns(lines).with_columns(hashes)
    is_result = pl.col("fecha").is_not_null() & pl.col("text").is_not_null() & (pl.col("idinterno") != "")
    results = frame.filter(is_result)
    malformed = 0
    if len(results) < len(lines):
        rest = lines.filter(frame.select(~is_result).to_series())
        malformed = int((rest.str.strip_chars(" \t") != "").sum())
    coded, unmapped = _with_codes(results)
    return StatusFrame(coded.select(_EMPTY.columns), malformed, unmapped, len(every) - len(lines))


def _lines(body: bytes) -> pl.Series:
    if not body.isascii():
        body = body.decode("latin-1").encode()
    # As bytes: handing over a str with accents costs twice the time.
    whole = pl.Series([body], dtype=pl.Binary).cast(pl.String)
    if body.count(b"\r\n") == body.count(b"\n") == body.count(b"\r"):
        lines = whole.str.split("\r\n").explode()
    else:
        lines = whole.str.split("\n").explode()
        if b"\r" in body:
            # Cheaper here than as a replacement in the whole body; a CR that is left ends a line by itself.
            lines = lines.str.strip_suffix("\r")
            if lines.str.contains("\r", literal=True).any():
                lines = lines.str.split("\r").explode()
    return lines.filter(lines != "")


def _columns(lines: pl.Series) -> pl.DataFrame:
    fields = lines.str.splitn("\t", 3).struct.unnest()
    fields.columns = ["idinterno", "fecha", "text"]
    digits = pl.col("fecha").str.strip_chars(" ")
    # The parser takes fewer digits and blanks too, and second 60 as a leap second: each would be another moment.
    idinterno = pl.col("idinterno").str.strip_chars(" ")
    whole = pl.when(digits.str.contains(_FECHA)).then(digits)
    return fields.with_columns(
        idinterno, whole.str.to_datetime(_FECHA_FORMAT, time_unit="us", strict=False).alias("fecha")
    )


def _with_codes(results: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Add the codes: a million lines hold a few dozen sentences, so only distinct ones are looked at."""
    text = results["text"]
    # OK is nearly every line, so the number is looked for in the others only.
    is_ok = text == "OK"
    sentence = text.filter(~is_ok).str.replace(_NUMBER_PREFIX, "")
    counts: dict[str, int] = dict(sentence.value_counts().iter_rows())
    known = {words: sentence_to_code(words) for words in counts}
    code = pl.Series("code", [0], dtype=pl.Int16).new_from_index(0, len(text))
    if known:
        codes = sentence.replace_strict({words: c for words, (c, _) in known.items()}, return_dtype=pl.Int16)
        code = code.scatter((~is_ok).arg_true(), codes)
    unmapped = {words: counts[words] for words, (_, mapped) in known.items() if not mapped}
    return results.with_columns(code), unmapped
