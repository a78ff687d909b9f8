"""Telephone numbers, a column at a time: polars handles the common forms, `phone.normalise` the others."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import islice

import polars as pl
from pyroaring import BitMap64

from dispatcher.domain.phone import AREA_CODES, LONGEST, PLANS, PhoneProblem, normalise

_NBSP_AND_PUNCTUATION = r"[ ()\-\x{a0}]"


def _national(country: str) -> str:
    """Return a regular expression for a national number as the provider takes it."""
    digits = PLANS[country].digits
    if country != "AR":
        return rf"[1-9][0-9]{{{digits - 1}}}"
    by_rest = {digits - n: "|".join(sorted(code for code in AREA_CODES if len(code) == n)) for n in (2, 3, 4)}
    return "|".join(f"(?:{codes})[0-9]{{{rest}}}" for rest, codes in by_rest.items())


_ARGENTINE_15 = r"^(?:\+?54)?9?0?(?:" + (
    "|".join(
        f"({'|'.join(sorted(code for code in AREA_CODES if len(code) == n))})15([0-9]{{{10 - n}}})" for n in (2, 3, 4)
    )
    + ")$"
)
_CLEAN = {country: f"^(?:{_national(country)})$" for country in PLANS}
_PREFIXED = {
    country: rf"^(?:\+?{plan.calling_code}{'9?' if country == 'AR' else ''}|0)?((?:{_national(country)}))$"
    for country, plan in PLANS.items()
    if country in ("AR", "UY")
}


def destinos(
    written: pl.Series, country: str, *, area: str | None = None, first_number: bool = False
) -> tuple[pl.Series, dict[str, PhoneProblem]]:
    """Return the national numbers (null where there is none), and the problem of each string that has one.

    `written` has no nulls. For every string the answer is that of `phone.normalise`, only faster.
    """
    clean = written.str.contains(_CLEAN[country])
    if clean.all():
        return written, {}
    problems: dict[str, PhoneProblem] = {}
    numbers: dict[str, str | None] = {}
    column = pl.DataFrame({"written": written, "clean": clean})
    quick = _quick(column.filter(~pl.col("clean"))["written"].unique(), country)
    for raw, number in quick.iter_rows():
        found = number if number is not None else normalise(raw, country, area=area, first_number=first_number)
        if isinstance(found, PhoneProblem):
            problems[raw] = found
            numbers[raw] = None
        else:
            numbers[raw] = found
    table = pl.DataFrame(
        {"written": list(numbers), "found": list(numbers.values())},
        schema={"written": pl.String, "found": pl.String},
    )
    joined = column.join(table, on="written", how="left", maintain_order="left")
    return joined.select(pl.when("clean").then("written").otherwise("found").alias("destino"))["destino"], problems


def _quick(distinct: pl.Series, country: str) -> pl.DataFrame:
    """Read the common forms: a number with blanks, dashes or a calling code. Null for the others."""
    frame = distinct.to_frame("written")
    if country not in _PREFIXED:
        return frame.with_columns(number=pl.lit(None, pl.String))
    bare = pl.col("written").str.replace_all(_NBSP_AND_PUNCTUATION, "")
    if country == "AR":
        bare = bare.str.replace(_ARGENTINE_15, "$1$2$3$4$5$6")
    short = pl.col("written").str.len_chars() <= LONGEST
    return frame.with_columns(number=pl.when(short).then(bare.str.extract(_PREFIXED[country])))


class Recipients:
    """The numbers of a campaign so far, as a compressed bitmap: about two bytes each, millions fit."""

    def __init__(self) -> None:
        """Start empty."""
        self._seen = BitMap64()
        self.elsewhere = "an earlier row"
        """Where a number was before that this list has once."""

    def __len__(self) -> int:
        return len(self._seen)

    def know(self, numbers: Iterable[str]) -> None:
        """Remember numbers that came from elsewhere."""
        self._seen |= BitMap64(array("Q", map(int, numbers)))

    def count(self, numbers: Iterable[str]) -> int:
        """Return how many of some numbers are known."""
        return sum(int(number) in self._seen for number in numbers)

    def sample(self, most: int) -> list[str]:
        """Return at most so many of the numbers, evenly over all of them, as national digits."""
        step = max(1, len(self._seen) // most)
        return [str(number) for number in islice(self._seen, 0, None, step)][:most]

    def repeated(self, destino: pl.Series) -> pl.Series:
        """Tell for each number whether it was in this batch or an earlier one before, and remember it."""
        keys = destino.cast(pl.Int64)
        repeated = ~keys.is_first_distinct()
        batch = BitMap64(array("Q", keys.to_list()))
        before = batch & self._seen
        if before:
            repeated |= keys.is_in(pl.Series(list(before), dtype=pl.Int64).implode())
        self._seen |= batch
        return repeated
