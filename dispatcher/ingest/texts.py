"""Texts, a column at a time: rendering, transliteration, and the checks of a rendered text."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dispatcher.domain import sms_text
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest.template import Literal, Template


class Renderer:
    """Renders a template over a block's columns, in the provider's alphabet."""

    def __init__(self, template: Sequence[Literal | str], *, strict: bool) -> None:
        """Prepare a template, in which a string names a column; with `strict` nothing is transliterated."""
        self._strict = strict
        self._dropped = 0
        self._changed = False
        parts: list[pl.Expr] = []
        self._as_written = pl.concat_str([pl.col(p) if isinstance(p, str) else pl.lit(p.text) for p in template])
        for part in template:
            if isinstance(part, str):
                parts.append(pl.col(part))
                continue
            spelled, dropped = (part.text, 0) if strict else sms_text.transliterate(part.text)
            self._dropped += dropped
            self._changed |= spelled != part.text
            if not strict:
                _refuse_characters(spelled)
            parts.append(pl.lit(spelled))
        self._rendered = pl.concat_str(parts)

    def written(self, frame: pl.DataFrame) -> pl.Series:
        """Return the texts before they are spelled in the provider's alphabet."""
        return frame.with_columns(self._as_written.alias("written"))["written"]

    def render(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add `texto`, `dropped` (characters left out) and `changed` (the spelling was adapted)."""
        frame = frame.with_columns(
            texto=self._rendered, dropped=pl.lit(self._dropped, pl.Int64), changed=pl.lit(self._changed)
        )
        if self._strict:
            return frame
        outside = frame.select(pl.col("texto").str.contains(sms_text.OUTSIDE))["texto"]
        if not outside.any():
            return frame
        spelled = _transliterated(frame["texto"].filter(outside).unique())
        odd = frame.filter(outside).drop("texto").with_columns(frame["texto"].filter(outside).alias("written"))
        odd = odd.join(spelled, on="written", how="left", maintain_order="left").with_columns(
            dropped=pl.col("dropped") + pl.col("dropped_here"),
            changed=pl.col("changed") | (pl.col("texto") != pl.col("written")),
        )
        return pl.concat([frame.filter(~outside), odd.select(frame.columns)]).sort("line")


def _refuse_characters(own_words: str) -> None:
    """Raise UsageError for what the template itself has and the provider does not take: no row could be sent."""
    if odd := sms_text.outside_alphabet(own_words):
        raise UsageError(
            worded(
                "the template has {characters}, which the provider does not take in a text",
                characters=" ".join(odd[:10]),
            ),
            hint=translated("write something else"),
        )


def _transliterated(written: pl.Series) -> pl.DataFrame:
    """Return `written`, `texto`, `dropped_here`: the common letters in polars, the rest one by one."""
    frame = written.to_frame("written").with_columns(
        texto=pl.col("written").str.replace_many(list(sms_text.SIMPLE), list(sms_text.SIMPLE.values()))
    )
    rest = frame.filter(pl.col("texto").str.contains(sms_text.OUTSIDE))
    easy = frame.join(rest, on="written", how="anti") if rest.height else frame
    spelled = [sms_text.transliterate(value) for value in rest["written"].to_list()]
    odd = pl.DataFrame(
        {
            "written": rest["written"],
            "texto": pl.Series([value for value, _ in spelled], dtype=pl.String),
            "dropped_here": pl.Series([dropped for _, dropped in spelled], dtype=pl.Int64),
        }
    )
    return pl.concat([easy.with_columns(dropped_here=pl.lit(0, pl.Int64)), odd])


class CompanyRule:
    """The guide's IMPORTANTE: a verification code must carry the name of the company that sends it."""

    def __init__(self, template: Template, company: str | None) -> None:
        """Raise UsageError when the template itself is a verification code without the company's name."""
        self._company = company
        own_words = "".join(part.text if isinstance(part, Literal) else " x " for part in template.parts)
        named = company is not None and sms_text.names_company(own_words, company)
        if sms_text.is_verification(own_words) and not named:
            raise UsageError(
                translated("the text is a verification code and does not name the company, as the provider requires"),
                hint=translated("set DISPATCHER_COMPANY and write that name in the template")
                if company is None
                else worded("write {company!r}, the name in DISPATCHER_COMPANY, in the template", company=company),
            )
        self.settled = named
        """Whether no rendered text needs checking, because the template has the name."""

    def broken(self, textos: pl.Series) -> pl.Series:
        """Tell for each rendered text whether it is a verification code without the company's name."""
        suspects = textos.str.contains(sms_text.VERIFICATION)
        if self._company is None or not suspects.any():
            return suspects
        company = self._company
        return pl.Series(
            [hit and not sms_text.names_company(value, company) for hit, value in zip(suspects, textos, strict=True)],
            dtype=pl.Boolean,
        )
