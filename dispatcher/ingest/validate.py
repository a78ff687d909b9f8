"""The checks of every row, in their order: each row ends as a message or as an invalid row, never as both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from dispatcher.domain import sms_text
from dispatcher.domain.phone import COUNTRIES
from dispatcher.errors import UsageError
from dispatcher.ingest import columns as headings
from dispatcher.ingest import template as templates
from dispatcher.ingest.blocks import Block, InvalidRow, column, shown
from dispatcher.ingest.numbers import Recipients, destinos
from dispatcher.ingest.texts import CompanyRule, Renderer


@dataclass(frozen=True)
class IngestOptions:
    """What is asked of a list.

    Attributes:
        template: the text, with `{column}` where a column goes in.
        country: whose number rules hold: AR, GT, MX, PE or UY.
        company: the name that verification codes must carry.
        to_column, id_column: the columns of the number and of the caller's own id, by heading.
        strict_text: make a row invalid instead of transliterating what is outside the provider's alphabet.
    """

    template: str
    country: str = "AR"
    company: str | None = None
    to_column: str | None = None
    id_column: str | None = None
    strict_text: bool = False


LeftOut = Callable[[pl.Series], pl.Series]
"""The reason why each of some numbers gets nothing; null for those that get their message."""

UNFIT = "(suppressed: no valid text)"
"""The text of a suppressed message whose own text could not be sent; it goes to nobody."""


def nobody(destino: pl.Series) -> pl.Series:
    """Leave no number out."""
    return pl.repeat(None, len(destino), dtype=pl.String, eager=True)


MESSAGES = {
    "line": pl.Int64,
    "destino": pl.String,
    "texto": pl.String,
    "external_id": pl.String,
    "suppressed": pl.String,
    "encoded_bytes": pl.Int32,
}
INVALID_ROWS = {"line": pl.Int64, "raw": pl.String, "code": pl.Int16, "reason": pl.String, "detail": pl.String}


@dataclass(frozen=True)
class Batch:
    """Rows that were checked; each of them is in `messages` or in `invalid_rows`, both in the file's order.

    Attributes:
        messages: line, destino, texto, external_id (null without an id), suppressed (why it is left out, else null),
            encoded_bytes (form-encoded texto).
        invalid_rows: line, raw (at most 2,000 characters), code (the guide's, or null), reason (slug), detail.
        rows: how many rows there were.
        position: how much of `Source.size` has been read.
        dropped_characters: emoji, quotes, ¿ and ¡ that were left out of these messages.
        transliterated: messages whose text was adapted to the alphabet.
    """

    messages: pl.DataFrame
    invalid_rows: pl.DataFrame
    rows: int
    position: int
    dropped_characters: int
    transliterated: int


class Checker:
    """Checks the rows of one list; it remembers the recipients that it has seen."""

    def __init__(self, columns: Sequence[str], options: IngestOptions, left_out: LeftOut = nobody) -> None:
        """Find the columns; UsageError when the template or the options do not fit them."""
        if options.country not in COUNTRIES:
            raise UsageError(f"unknown country {options.country!r}", hint=f"use one of {', '.join(COUNTRIES)}")
        template = templates.parse(options.template)
        self._country = options.country
        self._company = CompanyRule(template, options.company)
        self._number = headings.number_column(columns, options.to_column)
        self._heading = columns[self._number]
        self._id = (
            None if options.id_column is None else headings.require(options.id_column, columns, "the column of the id")
        )
        self._fields = template.columns(columns)
        self._renderer = Renderer(template, self._fields, strict=options.strict_text)
        self._recipients = Recipients()
        self._left_out = left_out

    @property
    def wanted(self) -> list[int]:
        """The positions of the columns that take part."""
        ids = [] if self._id is None else [self._id]
        return sorted({self._number, *ids, *self._fields.values()})

    @property
    def verbatim(self) -> set[int]:
        """The positions of the columns whose values are taken as they are: the caller's own ids."""
        return set() if self._id is None else {self._id} - {self._number, *self._fields.values()}

    def check(self, block: Block) -> Batch:
        """Check the rows of one block, after those of all earlier blocks."""
        invalid_rows = list(block.invalid_rows)
        frame = self._with_number(block.frame, invalid_rows)
        frame = self._first_of_each(frame, invalid_rows)
        frame = frame.with_columns(suppressed=self._left_out(frame["destino"]))
        if frame["suppressed"].null_count() == frame.height:
            frame = self._with_texts(frame, invalid_rows)
        else:
            sent = self._with_texts(frame.filter(pl.col("suppressed").is_null()), invalid_rows)
            frame = pl.concat([sent, self._suppressed(frame)]).sort("line")
        invalid_rows.sort()
        external_id = pl.lit(None, pl.String) if self._id is None else pl.col(column(self._id)).str.strip_chars()
        encoded = pl.col("texto").str.len_bytes() + 2 * pl.col("texto").str.count_matches(sms_text.ENCODED_AS_THREE)
        return Batch(
            messages=frame.select(
                "line",
                "destino",
                "texto",
                external_id=pl.when(external_id != "").then(external_id),
                suppressed="suppressed",
                encoded_bytes=encoded.cast(pl.Int32),
            ),
            invalid_rows=pl.DataFrame(invalid_rows, schema=INVALID_ROWS, orient="row"),
            rows=block.frame.height + len(block.invalid_rows),
            position=block.position,
            dropped_characters=int(frame["dropped"].sum()),
            transliterated=int(frame["changed"].sum()),
        )

    def _with_number(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow]) -> pl.DataFrame:
        name = column(self._number)
        written = frame[name].fill_null("")
        numbers, problems = destinos(written, self._country)
        frame = frame.with_columns(written.alias(name), destino=numbers)
        if problems:
            bad = frame.filter(pl.col("destino").is_null())
            for line, raw, value in bad.select("line", "raw", name).iter_rows():
                problem = problems[value]
                detail = f"column {self._heading!r}: {problem.detail}"
                invalid_rows.append(InvalidRow(line, shown(raw), problem.code, problem.reason, detail))
            frame = frame.filter(pl.col("destino").is_not_null())
        return frame

    def _first_of_each(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow]) -> pl.DataFrame:
        repeated = self._recipients.repeated(frame["destino"])
        if not repeated.any():
            return frame
        first = frame.filter(~repeated)
        before = first.select("destino", pl.col("line").alias("first"))
        again = frame.filter(repeated).join(before, on="destino", how="left", maintain_order="left")
        for line, raw, destino, earlier in again.select("line", "raw", "destino", "first").iter_rows():
            where = "an earlier row" if earlier is None else f"line {earlier}"
            detail = f"{destino} is already in {where}: only the first row of a number is sent"
            invalid_rows.append(InvalidRow(line, shown(raw), None, "duplicate", detail))
        return first

    def _with_texts(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow]) -> pl.DataFrame:
        frame = self._renderer.render(self._with_all_fields(frame, invalid_rows))
        return self._without_bad_texts(frame, invalid_rows)

    def _suppressed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return all suppressed rows: with their text, or with UNFIT if anything is wrong with it."""
        gone = frame.filter(pl.col("suppressed").is_not_null())
        fit = self._with_texts(gone, [])
        unfit = gone.join(fit, on="line", how="anti").with_columns(
            texto=pl.lit(UNFIT), dropped=pl.lit(0, pl.Int64), changed=pl.lit(False)
        )
        return pl.concat([fit, unfit])

    def _with_all_fields(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow]) -> pl.DataFrame:
        if not self._fields:
            return frame
        empty = {
            name: (pl.col(column(at)).is_null() | (pl.col(column(at)).str.strip_chars() == ""))
            for name, at in self._fields.items()
        }
        bad = frame.select(pl.any_horizontal(empty.values()).alias("bad"))["bad"]
        if not bad.any():
            return frame
        found = frame.filter(bad).select("line", "raw", *(test.alias(name) for name, test in empty.items()))
        for line, raw, *flags in found.iter_rows():
            names = ", ".join(repr(name) for name, flag in zip(empty, flags, strict=True) if flag)
            detail = f"column {names} is empty and the template needs it: fill it in"
            invalid_rows.append(InvalidRow(line, shown(raw), -99, "field_empty", detail))
        return frame.filter(~bad)

    def _without_bad_texts(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow]) -> pl.DataFrame:
        texto = pl.col("texto")
        bad = frame.select(
            texto.str.contains(sms_text.SUSPECT)
            | (texto.str.len_chars() > sms_text.MAX_LENGTH)
            | (texto.str.strip_chars() == "")
        )["texto"]
        if not self._company.settled:
            bad |= self._company.broken(frame["texto"])
        if not bad.any():
            return frame
        for line, raw, value in frame.filter(bad).select("line", "raw", "texto").iter_rows():
            invalid_rows.append(_text_problem(line, raw, value))
        return frame.filter(~bad)


def _text_problem(line: int, raw: str, texto: str) -> InvalidRow:
    """Say what is wrong with a rendered text: the first problem, in the order of the checks."""
    if (placeholder := sms_text.leftover(texto)) is not None:
        detail = f"the text has a placeholder that nothing fills in, {placeholder[:40]}: remove it or fill it in"
        return InvalidRow(line, shown(raw), -99, "placeholder_left", detail)
    if odd := sms_text.outside_alphabet(texto):
        named = " ".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in odd[:10])
        detail = f"the provider does not take {named} in a text: write something else"
        return InvalidRow(line, shown(raw), -11, "text_characters", detail)
    if len(texto) > sms_text.MAX_LENGTH:
        most = f"{len(texto)} characters, but only {sms_text.MAX_LENGTH} fit"
        detail = f"the text has {most}: shorten the template or the value"
        return InvalidRow(line, shown(raw), -6, "text_too_long", detail)
    if not texto.strip(" "):
        return InvalidRow(line, shown(raw), None, "text_empty", "the text is empty: write one")
    detail = "a verification code must carry the company's name: add the name in DISPATCHER_COMPANY to the text"
    return InvalidRow(line, shown(raw), -99, "verification_without_company", detail)


def batches(blocks: Iterator[Block], checker: Checker, name: str) -> Iterator[Batch]:
    """Check block after block; UsageError when there is not a single row."""
    rows = 0
    for block in blocks:
        batch = checker.check(block)
        rows += batch.rows
        yield batch
    if not rows:
        raise UsageError(f"{name} has headings and no rows", hint="add at least one recipient below the headings")
