"""The checks of every row, in their order: each row ends as a message or as an invalid row, never as both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dispatcher.domain import formulas, reasons, sms_text
from dispatcher.domain.phone import COUNTRIES
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import cells
from dispatcher.ingest import columns as headings
from dispatcher.ingest import template as templates
from dispatcher.ingest.blocks import Block, InvalidRow, column, invalid
from dispatcher.ingest.fields import Fields
from dispatcher.ingest.number_columns import NumberColumns
from dispatcher.ingest.numbers import Recipients
from dispatcher.ingest.options import IngestOptions
from dispatcher.ingest.remarks import Remark
from dispatcher.ingest.texts import CompanyRule, Renderer

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
INVALID_ROWS = {
    "line": pl.Int64,
    "raw": pl.String,
    "code": pl.Int16,
    "reason": pl.String,
    "detail": pl.String,
    "facts": pl.String,
}


@dataclass(frozen=True)
class Batch:
    """Rows that were checked; each of them is in `messages` or in `invalid_rows`, both in the file's order.

    Attributes:
        messages: line, destino, texto, external_id (null without an id), suppressed (why it is left out, else null),
            encoded_bytes (form-encoded texto).
        invalid_rows: line, raw (bounded), code (the guide's, or null), reason (slug), detail (a sentence), facts (what
            the sentence says, as JSON).
        rows: how many rows there were.
        position: how much of `Source.size` has been read.
        dropped_characters: emoji, quotes, ¿ and ¡ that were left out of these messages.
        transliterated: messages whose text was adapted to the alphabet.
        remarks: what else is worth saying of these rows, and of how many of them.
        looked: for a dry run, every row that has a number and all fields, repeated ones too: line, destino, texto,
            written (before it was spelled in the alphabet), digits (a name is a number); else None.
    """

    messages: pl.DataFrame
    invalid_rows: pl.DataFrame
    rows: int
    position: int
    dropped_characters: int
    transliterated: int
    remarks: Counter[Remark] = field(default_factory=Counter)
    looked: pl.DataFrame | None = None


class Checker:
    """Checks the rows of one list; it remembers the recipients that it has seen."""

    def __init__(
        self,
        columns: Sequence[str],
        options: IngestOptions,
        left_out: LeftOut = nobody,
        recipients: Recipients | None = None,
        *,
        look: bool = False,
    ) -> None:
        """Find the columns; UsageError when the template or the options do not fit them."""
        if options.country not in COUNTRIES:
            raise UsageError(
                worded("unknown country {country!r}", country=options.country),
                hint=worded("use one of {countries}", countries=", ".join(COUNTRIES)),
            )
        self._columns = columns
        self._options = options
        template = templates.parse(options.template)
        self._company = CompanyRule(template, options.company)
        self._numbers = NumberColumns(columns, options)
        self._id = (
            None
            if options.id_column is None
            else headings.require(options.id_column, columns, "--id-column (id_column)")
        )
        self._fields = Fields(
            template.bind(columns, literal=options.literal), keep_words=options.keep_words, literal=options.literal
        )
        self._renderer = Renderer(self._fields.parts, strict=options.strict_text)
        self._recipients = Recipients() if recipients is None else recipients
        self._known = headings.find(headings.INVALID_COLUMNS[0], columns) if headings.came_back(columns) else None
        self._left_out = left_out
        self._look = look

    @property
    def taken(self) -> dict[str, Any]:
        """Which columns were taken for what, by their headings."""
        fields = [self._columns[at] for at in sorted(self._fields.positions)]
        return {
            "number": self._numbers.taken,
            "id": None if self._id is None else self._columns[self._id],
            "fields": fields,
        }

    @property
    def wanted(self) -> list[int]:
        """The positions of the columns that take part."""
        ids = set() if self._id is None else {self._id}
        known = set() if self._known is None else {self._known}
        return sorted(self._numbers.positions | ids | known | self._fields.positions)

    @property
    def verbatim(self) -> set[int]:
        """The positions of the columns whose values are taken as they are: no text and no number comes from them."""
        ids = set() if self._id is None else {self._id}
        known = set() if self._known is None else {self._known}
        return (ids | known | self._numbers.not_taken) - self._fields.positions - self._numbers.taken_positions

    def check(self, block: Block) -> Batch:
        """Check the rows of one block, after those of all earlier blocks."""
        invalid_rows = list(block.invalid_rows)
        remarks: Counter[Remark] = Counter()
        frame = self._numbers.read(self._as_written(block.frame), invalid_rows, remarks)
        frame = self._without_known(frame, invalid_rows)
        frame = self._with_ids(frame, invalid_rows)
        looked = self._looked(frame) if self._look else None
        frame = self._first_of_each(frame, invalid_rows)
        frame = frame.with_columns(suppressed=self._left_out(frame["destino"]))
        if frame["suppressed"].null_count() == frame.height:
            frame = self._with_texts(frame, invalid_rows, remarks)
        else:
            sent = self._with_texts(frame.filter(pl.col("suppressed").is_null()), invalid_rows, remarks)
            frame = pl.concat([sent, self._suppressed(frame)]).sort("line")
        invalid_rows.sort(key=lambda row: row.line)
        encoded = pl.col("texto").str.len_bytes() + 2 * pl.col("texto").str.count_matches(sms_text.ENCODED_AS_THREE)
        return Batch(
            messages=frame.select(
                "line",
                "destino",
                "texto",
                "external_id",
                suppressed="suppressed",
                encoded_bytes=encoded.cast(pl.Int32),
            ),
            invalid_rows=pl.DataFrame(invalid_rows, schema=INVALID_ROWS, orient="row"),
            rows=block.frame.height + len(block.invalid_rows),
            position=block.position,
            dropped_characters=int(frame["dropped"].sum()),
            transliterated=int(frame["changed"].sum()),
            remarks=remarks,
            looked=looked,
        )

    def _as_written(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Take away the apostrophes that a file of invalid rows has before what a spreadsheet would run."""
        if self._known is None:
            return frame
        for guarded, without in formulas.UNGUARDED:
            frame = frame.with_columns(pl.col(column(at)).str.replace_all(guarded, without) for at in self.wanted)
        return frame

    def _with_ids(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow]) -> pl.DataFrame:
        """Add the caller's own id; a word that stands for nothing is none, and a broken one makes its row invalid."""
        if self._id is None:
            return frame.with_columns(external_id=pl.lit(None, pl.String))
        written = pl.col(column(self._id)).str.strip_chars()
        empty = cells.is_empty(written, keep_words=self._options.keep_words)
        frame = frame.with_columns(external_id=pl.when(~empty).then(written))
        shown = pl.col("external_id")
        # The text of a formula may be somebody's id: exports make it harmless. What a formula shows is none.
        bad = frame.select(
            (shown.str.contains(f"{cells.ERROR}|{cells.CUT}") & ~shown.str.contains(r"^=[^?]")).fill_null(value=False)
        ).to_series()
        if not bad.any():
            return frame
        heading = self._columns[self._id]
        for line, raw, value in frame.filter(bad).select("line", "raw", "external_id").iter_rows():
            if cells.shows_error(value):
                invalid_rows.append(invalid(line, raw, "formula_error", {"columns": [heading], "words": [value]}))
            else:
                invalid_rows.append(invalid(line, raw, "value_cut", {"column": heading, "value": value}))
        return frame.filter(~bad)

    def _looked(self, frame: pl.DataFrame) -> pl.DataFrame:
        frame = self._fields.fill(frame, [], Counter())
        frame = frame.with_columns(self._renderer.written(frame), digits=self._fields.digits_as_name())
        return self._renderer.render(frame).select("line", "destino", "texto", "written", "digits")

    def _without_known(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow]) -> pl.DataFrame:
        """Leave out what a file of invalid rows calls a duplicate: its number has a message already."""
        if self._known is None:
            return frame
        # With another number than that of the duplicate, the row was mended.
        known = (frame[column(self._known)].str.extract(reasons.DUPLICATE) == frame["destino"]).fill_null(value=False)
        for line, raw, destino in frame.filter(known).select("line", "raw", "destino").iter_rows():
            invalid_rows.append(invalid(line, raw, "duplicate", {"number": destino, "where": "the list it came from"}))
        return frame.filter(~known)

    def _first_of_each(self, frame: pl.DataFrame, invalid_rows: list[InvalidRow]) -> pl.DataFrame:
        repeated = self._recipients.repeated(frame["destino"])
        if not repeated.any():
            return frame
        first = frame.filter(~repeated)
        before = first.select("destino", pl.col("line").alias("first"))
        again = frame.filter(repeated).join(before, on="destino", how="left", maintain_order="left")
        for line, raw, destino, earlier in again.select("line", "raw", "destino", "first").iter_rows():
            where = self._recipients.elsewhere if earlier is None else f"line {earlier}"
            invalid_rows.append(invalid(line, raw, "duplicate", {"number": destino, "where": where}))
        return first

    def _with_texts(
        self, frame: pl.DataFrame, invalid_rows: list[InvalidRow], remarks: Counter[Remark]
    ) -> pl.DataFrame:
        columns = frame.columns
        frame = self._renderer.render(self._fields.fill(frame, invalid_rows, remarks))
        frame = frame.select(*columns, "texto", "dropped", "changed")
        return self._without_bad_texts(frame, invalid_rows)

    def _suppressed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return all suppressed rows: with their text, or with UNFIT if anything is wrong with it."""
        gone = frame.filter(pl.col("suppressed").is_not_null())
        fit = self._with_texts(gone, [], Counter())
        unfit = gone.join(fit, on="line", how="anti").with_columns(
            texto=pl.lit(UNFIT), dropped=pl.lit(0, pl.Int64), changed=pl.lit(False)
        )
        return pl.concat([fit, unfit])

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
        return invalid(line, raw, "placeholder_left", {"placeholder": placeholder[:40]})
    if odd := sms_text.outside_alphabet(texto):
        named = " ".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in odd[:10])
        return invalid(line, raw, "text_characters", {"characters": named})
    if len(texto) > sms_text.MAX_LENGTH:
        return invalid(line, raw, "text_too_long", {"length": len(texto), "limit": sms_text.MAX_LENGTH})
    if not texto.strip(" "):
        return invalid(line, raw, "text_empty", {})
    return invalid(line, raw, "verification_without_company", {})


def batches(blocks: Iterator[Block], checker: Checker, name: str) -> Iterator[Batch]:
    """Check block after block; UsageError when there is not a single row."""
    rows = 0
    for block in blocks:
        batch = checker.check(block)
        rows += batch.rows
        yield batch
    if not rows:
        raise UsageError(
            worded("{name} has headings and no rows", name=name),
            hint=translated("add at least one recipient below the headings"),
        )
