"""The values of a template's placeholders, a column at a time: which are missing, and what the filters make of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import polars as pl

from dispatcher.ingest import cells, filters
from dispatcher.ingest.blocks import InvalidRow, column, invalid
from dispatcher.ingest.columns import fold
from dispatcher.ingest.days import MONTH_FIRST
from dispatcher.ingest.remarks import Remark
from dispatcher.ingest.template import Literal, Placeholder

_VALUE_SHOWN = 40
_NAME = re.compile("nombre|apellido|cliente|name")
_OWN_SIGN = r"^[ \-(]*(?:\$|[A-Z]{1,3}\$|U\$S|USD|ARS|EUR|€)|[$€]\s*$"
_DIGITS = r"^[0-9 .,\-]+$"


class Fields:
    """Checks and prepares what goes into the placeholders of one template."""

    def __init__(self, parts: Sequence[Literal | Placeholder], *, keep_words: bool, literal: bool = False) -> None:
        """Take a bound template.

        With `keep_words`, a word such as NULL is a value like any other; with `literal`, a `$` may stand before words.
        """
        self._keep_words = keep_words
        self._literal = literal
        self._placeholders = [part for part in parts if isinstance(part, Placeholder)]
        self._headings = {each.position: each.heading for each in self._placeholders}
        self._needed = {each.position for each in self._placeholders if each.default is None}
        self.parts = [part if isinstance(part, Literal) else self._name(part) for part in parts]
        """The template again, with the name of the frame's column in the place of each placeholder."""

    @property
    def positions(self) -> set[int]:
        """The columns that take part."""
        return set(self._headings)

    def digits_as_name(self) -> pl.Expr:
        """Tell whether a column that is called like a name holds digits alone."""
        names = [at for at, heading in self._headings.items() if _NAME.search(fold(heading))]
        return pl.any_horizontal(pl.lit(value=False), *(pl.col(column(at)).str.contains(_DIGITS) for at in names))

    def fill(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow], remarks: Counter[Remark]) -> pl.DataFrame:
        """Return the rows whose values are good, with the columns that `parts` names."""
        if not self._placeholders:
            return frame
        frame = self._with_all(frame, invalid_rows)
        for placeholder in dict.fromkeys(self._placeholders):
            name = column(placeholder.position)
            if placeholder.after_sign and not placeholder.filters:
                frame = self._behind_sign(frame, placeholder, invalid_rows, remarks)
            if self._name(placeholder) != name:
                frame = self._changed(frame, placeholder, invalid_rows, remarks)
        return frame

    def _behind_sign(
        self,
        frame: pl.DataFrame,
        placeholder: Placeholder,
        invalid_rows: list[InvalidRow],
        remarks: Counter[Remark],
    ) -> pl.DataFrame:
        """Say which values have a sign of their own; leave out those that are words: nobody writes `$Ana`."""
        value = pl.col(column(placeholder.position))
        doubled = frame.select(value.str.contains(_OWN_SIGN)).to_series().sum()
        if doubled:
            remarks[Remark("two_signs", {"column": placeholder.heading})] += int(doubled)
        if self._literal:
            return frame
        empty = cells.is_empty(value, keep_words=self._keep_words)
        words = frame.select((~empty & ~value.str.contains("[0-9]")).fill_null(value=False)).to_series()
        if not words.any():
            return frame
        for line, raw, written in frame.filter(words).select("line", "raw", value).iter_rows():
            facts = {"column": placeholder.heading, "value": written.strip()[:_VALUE_SHOWN]}
            invalid_rows.append(invalid(line, raw, "sign_before_words", facts))
        return frame.filter(~words)

    def _name(self, placeholder: Placeholder) -> str:
        if not placeholder.filters and placeholder.default is None:
            return column(placeholder.position)
        return f"f{self._placeholders.index(placeholder)}"

    def _with_all(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow]) -> pl.DataFrame:
        """Return the rows in which nothing that is needed is missing, and no formula is broken."""
        # A quick look at all rows, and an exact one at the few that may be wrong.
        bare = frame.select(pl.col(column(at)).str.strip_chars() for at in self._headings)
        suspects = [cells.may_lack_value(pl.col(name), keep_words=self._keep_words) for name in bare.columns]
        suspect = bare.select(pl.any_horizontal(suspects).alias("suspect"))["suspect"]
        if not suspect.any():
            return frame
        tests = {}
        for at in self._headings:
            value = pl.col(column(at))
            tests[f"error{at}"] = cells.has_error(value).fill_null(value=False)
            tests[f"cut{at}"] = value.str.contains(cells.CUT).fill_null(value=False)
            if at in self._needed:
                tests[f"empty{at}"] = cells.is_empty(value, keep_words=self._keep_words)
        found = frame.filter(suspect).with_columns(**tests).filter(pl.any_horizontal(list(tests)))
        if found.is_empty():
            return frame
        for row in found.iter_rows(named=True):
            broken = [at for at in self._headings if row[f"error{at}"]]
            missing = [at for at in self._headings if at in self._needed and row[f"empty{at}"]]
            if not broken and not missing:
                at = next(at for at in self._headings if row[f"cut{at}"])
                facts: dict[str, object] = {"column": self._headings[at], "value": row[column(at)].strip()}
                invalid_rows.append(invalid(row["line"], row["raw"], "value_cut", facts))
                continue
            reason, which = ("formula_error", broken) if broken else ("field_empty", missing)
            facts = {"columns": [self._headings[at] for at in which]}
            if words := [word for at in which if (word := (row[column(at)] or "").strip())]:
                facts["words"] = words
            invalid_rows.append(invalid(row["line"], row["raw"], reason, facts))
        return frame.filter(~pl.col("line").is_in(found["line"].implode()))

    def _changed(
        self,
        frame: pl.DataFrame,
        placeholder: Placeholder,
        invalid_rows: list[InvalidRow],
        remarks: Counter[Remark],
    ) -> pl.DataFrame:
        """Add a placeholder's column: its values through its filters, its default where there is none."""
        name, source = self._name(placeholder), column(placeholder.position)
        if placeholder.default is None:
            empty = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
        else:
            empty = frame.select(cells.is_empty(pl.col(source), keep_words=self._keep_words)).to_series()
        whole = frame
        frame = frame.filter(~empty) if empty.any() else frame
        values = frame[source]
        for each in placeholder.filters:
            changed = each.change(values)
            if each is filters.MONEY and placeholder.after_sign:
                changed = changed.str.replace("$ ", "", literal=True)
            if changed.null_count():
                unread = changed.is_null()
                if each.reason == "value_no_date" and (months := int(values.str.contains(MONTH_FIRST).sum())):
                    remarks[Remark("month_first", {"column": placeholder.heading})] += months
                for line, raw, value in frame.filter(unread).select("line", "raw", source).iter_rows():
                    facts: dict[str, object] = {"column": placeholder.heading, "value": value.strip()[:_VALUE_SHOWN]}
                    invalid_rows.append(invalid(line, raw, each.reason, facts))
                frame, changed = frame.filter(~unread), changed.filter(~unread)
            values = changed
        frame = frame.with_columns(values.alias(name))
        if not empty.any():
            return frame
        defaults = whole.filter(empty).with_columns(pl.lit(placeholder.default).alias(name))
        return pl.concat([frame, defaults]).sort("line")
