"""What a template may do to a value, a column at a time: `{saldo:money}`, `{vence:date}`, `{nombre:title:20}`.

A filter answers the changed values, with a null for each that it cannot read: such a row becomes invalid. Nothing is
guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from dispatcher.domain.sms_text import MAX_LENGTH
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest.days import day_of

Change = Callable[[pl.Series], pl.Series]


@dataclass(frozen=True)
class Filter:
    """One filter of a placeholder.

    Attributes:
        name: how the template calls it.
        change: values without nulls to changed values, null where a value cannot be read.
        reason: why a row is invalid whose value cannot be read.
    """

    name: str
    change: Change
    reason: str = ""


LISTED = "money, date, title, or the most characters, such as 20"


def named(name: str, placeholder: str) -> Filter:
    """Return the filter that a template names; UsageError, with those there are, when there is none."""
    if re.fullmatch(r"[0-9]{1,4}", name) and 1 <= int(name) <= MAX_LENGTH:
        most = int(name)
        return Filter(name, lambda values: cut(values, most))
    found = _NAMED.get(name.lower())
    if found is None:
        raise UsageError(
            worded(
                "the template's {{{placeholder}}} has a filter {name!r}, which there is not",
                placeholder=placeholder,
                name=name[:40],
            ),
            hint=worded("the filters are {listed}", listed=translated(LISTED)),
        )
    return found


_PLAIN = r"^[0-9]{1,15}(?:\.[0-9]{1,10})?$"
_POINTS = r"^[1-9][0-9]{0,2}(?:\.[0-9]{3}){1,4}$"
_WITH_COMMA = (
    r"^(?:[1-9][0-9]{0,2}(?:\.[0-9]{3}){1,4}|[0-9]{1,15}),[0-9]{1,10}$"  # 1.234,50
    r"|^[1-9][0-9]{0,2}(?:,[0-9]{3}){1,4}\.[0-9]{1,10}$"  # 1,234.50
    r"|^[1-9][0-9]{0,2}(?:,[0-9]{3}){2,4}$"  # 1,234,567
)
_TWO_AMOUNTS = r"^[1-9][0-9]{0,2},[0-9]{3}$"
_CURRENCY = r"^(?:AR\$|ARS|(?i:pesos))\s*|\s*(?:ARS|(?i:pesos))$"
_ODD_AMOUNT = r"[.,] ?[\-–—=]+\s*$|\)|[0-9] [0-9]"
_BLANKS_IN_IT = r"^[^0-9]*[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]{1,2})?[^0-9]*$"


def money(values: pl.Series) -> pl.Series:
    """Write amounts as `$ 1.234,50`, whether they are 1234.5, 1.234,50, 1,234.50 or $ 1234.

    A point before three digits divides thousands, as people in Argentina write; a single comma before three digits
    (`1,234`) can be either, and is not read.
    """
    frame = _plainer(values.to_frame("value")).select(
        number=pl.col("value").str.strip_chars("'$- \u00a0\t"), value="value"
    )
    frame = frame.with_columns(
        minus=pl.col("value").str.count_matches("-", literal=True),
        # Most values are a plain number already, and need no more than the look that says so.
        number=pl.when(pl.col("number").str.contains(_PLAIN)).then("number").otherwise(_spelled(pl.col("number"))),
    )
    number = pl.col("number")
    thousands = number.str.contains(_POINTS)
    parts = pl.when(thousands).then(number.str.replace_all(".", "", literal=True)).otherwise(number)
    split = frame.select("minus", parts.str.split_exact(".", 1).struct.rename_fields(["whole", "rest"])).unnest(
        "number"
    )
    rest = pl.col("rest").fill_null("") + "000"
    # Exact, in whole cents; the third decimal is rounded half up.
    cents = pl.col("whole").cast(pl.Int64) * 100 + (rest.str.slice(0, 3).cast(pl.Int64) + 5) // 10
    counted = split.select("minus", whole=cents // 100, cents=cents % 100)
    sign = (
        pl.when((pl.col("minus") == 1) & (pl.col("whole") + pl.col("cents") > 0))
        .then(pl.lit("-"))
        .otherwise(pl.lit(""))
    )
    shown = pl.concat_str(sign, pl.lit("$ "), _grouped(pl.col("whole")), pl.lit(","), _two(pl.col("cents")))
    return counted.select(pl.when(pl.col("minus") < 2).then(shown)).to_series()


def _plainer(frame: pl.DataFrame) -> pl.DataFrame:
    """Write `$1.500.-` as $1.500, `(50,00)` as -50,00, and `1 234,50` without its blanks."""
    value = pl.col("value")
    if not frame.select(value.str.contains(_ODD_AMOUNT).any()).item():
        return frame
    value = value.str.replace(r"([0-9])[.,] ?[\-–—=]+\s*$", "$1").str.replace(r"^\s*\((.*)\)\s*$", "-$1")
    apart = value.str.contains(_BLANKS_IN_IT)
    return frame.with_columns(
        value=pl.when(apart).then(value.str.replace_all(r"([0-9]) ([0-9])", "$1$2")).otherwise(value)
    )


def _spelled(number: pl.Expr) -> pl.Expr:
    """Write an amount with a point before its decimals and nothing else; null for what is none."""
    bare = number.str.replace_all(_CURRENCY, "").str.strip_chars("$- \u00a0\t")
    comma_last = bare.str.contains(r",[0-9]*$")
    swapped = bare.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    without = bare.str.replace_all(",", "", literal=True)
    several = bare.str.count_matches(",", literal=True) > 1
    return (
        pl.when(bare.str.contains(_PLAIN) | bare.str.contains(_POINTS))
        .then(bare)
        .when(bare.str.contains(_TWO_AMOUNTS) | ~bare.str.contains(_WITH_COMMA))
        .then(None)
        .when(comma_last & ~several)
        .then(swapped)
        .otherwise(without)
    )


def _grouped(whole: pl.Expr) -> pl.Expr:
    """Write a whole number with a point before each three digits."""
    backwards = whole.cast(pl.String).str.reverse()
    groups = [backwards.str.slice(at, 3) for at in range(0, 18, 3)]
    return pl.concat_str(groups, separator=".").str.strip_chars_end(".").str.reverse()


def _two(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String).str.zfill(2)


def date(values: pl.Series) -> pl.Series:
    """Write days as `31/12/2026`, whether they are 2026-12-31, 31-12-26, 31 dic 2026 or have a time behind them."""
    distinct = values.unique()
    days = [day_of(value.strip().removeprefix("'")[:60]) for value in distinct]
    shown = pl.Series([day and f"{day:%d/%m}/{day.year:04d}" for day in days], dtype=pl.String)
    return values.replace_strict(distinct, shown, return_dtype=pl.String)


_SMALL_WORDS = ("De", "Del", "La", "Las", "Los", "Y", "E", "Da", "Do", "Dos")


_CAPITALS = ("SA", "SRL", "SAS", "II", "III", "IV")  # at the end: companies, and namesakes
_ORDINALS = ("Er", "Ro", "Do", "Ra", "Da", "To", "Ta", "Mo", "Ma", "Vo", "Va", "No", "Na")  # 3er piso


def title(values: pl.Series) -> pl.Series:
    """Write `JUAN PÉREZ` and `juan pérez` as Juan Pérez; what has both cases already stays as it is."""
    value = pl.col("value")
    one_case = (value == value.str.to_uppercase()) | (value == value.str.to_lowercase())
    small = {f" {word} ": f" {word.lower()} " for word in _SMALL_WORDS}
    twice = value.str.to_titlecase().str.replace_many(small).str.replace_many(small)  # two in a row share a blank
    for word in _CAPITALS:
        twice = twice.str.replace(rf"(?i) {word}$", f" {word}")
    for ending in _ORDINALS:
        twice = twice.str.replace_all(rf"([0-9]){ending}\b", f"${{1}}{ending.lower()}")
    return values.alias("value").to_frame().select(pl.when(one_case).then(twice).otherwise(value)).to_series()


def cut(values: pl.Series, most: int) -> pl.Series:
    """Keep at most so many characters, and whole words if the first one fits."""
    value = pl.col("value").str.strip_chars()
    words = value.str.extract(rf"(?s)^(.{{1,{most}}})(?:\s|$)").str.strip_chars_end()
    longer = value.str.len_chars() > most
    return (
        values.alias("value")
        .to_frame()
        .select(pl.when(longer).then(pl.coalesce(words, value.str.slice(0, most))).otherwise(value))
        .to_series()
    )


MONEY = Filter("money", money, "value_no_amount")
_NAMED = {each.name: each for each in (MONEY, Filter("date", date, "value_no_date"), Filter("title", title))}
