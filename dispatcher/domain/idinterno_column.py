"""A whole column of idinternos at once: what `idinterno.decode` does, for answers of a million lines."""

import polars as pl

from dispatcher.domain.idinterno import ALPHABET, FIRST_GENERATION, FORM, MAX_SEQ, Idinterno, decode

_HEADS = 8
_FIELDS = ("prefix", "campaign", "letter", "seq_hex", "check")
_VALUE_OF = {letter: n for n, letter in enumerate(ALPHABET)}


def decode_column(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows whose `idinterno` is of our form, with columns prefix, campaign_id, generation, seq added.

    All lines of a campaign begin alike, so the beginning is read once, and then only the rest of each line. Lines
    beyond the first few campaigns of a frame go through the pattern one by one, at five times the cost.
    """
    left = frame.with_columns(pl.col("idinterno").str.to_uppercase().alias("given")).with_row_index("at")
    parts: list[pl.DataFrame] = []
    while left.height and len(parts) < _HEADS and (found := decode(left["given"][0])) is not None:
        head = f"M{found.prefix}{found.campaign_id:X}{chr(FIRST_GENERATION + found.generation)}"
        alike = left["given"].str.starts_with(head)
        whole = alike.all()
        parts.append(_decode_alike(left if whole else left.filter(alike), found, len(head)))
        left = left.clear() if whole else left.filter(~alike)
    if left.height or not parts:
        parts.append(_decode_any(left))
    decoded = parts[0] if len(parts) == 1 else pl.concat(parts).sort("at")
    return decoded.drop("at", "given")


def _decode_alike(frame: pl.DataFrame, like: Idinterno, head: int) -> pl.DataFrame:
    """Decode rows whose first `head` characters are those of `like`: hex digits of the seq and a check remain."""
    digits = pl.col("given").str.slice(head).str.head(-1)
    # to_integer also takes a sign and leading zeros; our form has neither.
    seq = pl.when(~digits.str.contains("^[0+-]")).then(digits.str.to_integer(base=16, strict=False))
    total = int(like.prefix, 16) + 2 * like.campaign_id + 3 * like.generation
    numbers = frame.with_columns(
        prefix=pl.lit(like.prefix),
        campaign_id=pl.lit(like.campaign_id, pl.Int64),
        generation=pl.lit(like.generation, pl.Int16),
        seq=seq,
        check_value=pl.col("given").str.tail(1).replace_strict(_VALUE_OF, default=-1, return_dtype=pl.Int64),
    )
    right = ((pl.col("seq") + total % 31) % 31 == pl.col("check_value")) & (pl.col("seq") <= MAX_SEQ)
    ours = numbers["seq"].is_not_null() & numbers.select(right).to_series().fill_null(False)
    return (numbers if ours.all() else numbers.filter(ours)).select(
        *frame.columns, "prefix", "campaign_id", "generation", pl.col("seq").cast(pl.Int32)
    )


def _decode_any(frame: pl.DataFrame) -> pl.DataFrame:
    """Decode rows that have nothing in common."""
    parts = (
        frame.with_columns(pl.col("given").str.extract_groups(FORM).struct.rename_fields(list(_FIELDS)).alias("part"))
        .unnest("part")
        .filter(pl.col("prefix").is_not_null())
    )
    if parts.is_empty():
        return parts.select(
            *frame.columns,
            "prefix",
            campaign_id=pl.lit(0, pl.Int64),
            generation=pl.lit(0, pl.Int16),
            seq=pl.lit(0, pl.Int32),
        )
    generations = {chr(FIRST_GENERATION + n): n for n in range(16)}
    prefixes = {prefix: int(prefix, 16) % 31 for prefix in parts["prefix"].unique().to_list()}
    numbers = parts.with_columns(
        campaign_id=pl.col("campaign").str.to_integer(base=16, strict=False),
        seq=pl.col("seq_hex").str.to_integer(base=16, strict=False),
        generation=pl.col("letter").replace_strict(generations, return_dtype=pl.Int64),
        prefix_sum=pl.col("prefix").replace_strict(prefixes, return_dtype=pl.Int64),
        check_value=pl.col("check").replace_strict(_VALUE_OF, return_dtype=pl.Int64),
    )
    # Reduced before summing, so that a 60-bit campaign number cannot overflow.
    checksum = (pl.col("prefix_sum") + 2 * (pl.col("campaign_id") % 31) + 3 * pl.col("generation") + pl.col("seq")) % 31
    return numbers.filter((checksum == pl.col("check_value")) & (pl.col("seq") <= MAX_SEQ)).select(
        *frame.columns,
        "prefix",
        "campaign_id",
        pl.col("generation").cast(pl.Int16),
        pl.col("seq").cast(pl.Int32),
    )
