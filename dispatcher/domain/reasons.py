"""Why a row is invalid, in words: a reason is a slug with its facts, and this is the one place that words it.

What is stored is the slug and the facts; the sentence is made from them when somebody reads it. Each wording has two
halves: what is wrong, and what the owner of the list does about it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Wording(NamedTuple):
    """The two halves of a sentence, with the facts in braces, and the guide's result code that fits."""

    code: int | None
    why: str
    what_to_do: str


DUPLICATE = r"^[0-9]+ is already in |^[0-9]+ ya est[aá] en "
"""How the wording of a duplicate begins, in every language that it is written in."""

REASONS = {
    "duplicate": Wording(None, "{number} is already in {where}", "only the first row of a number is sent"),
    "field_empty": Wording(-99, "column {columns} is empty and the template needs it", "fill it in"),
    "field_empty/word": Wording(
        -99,
        "column {columns} is empty and the template needs it ({words} stands for an empty field)",
        "fill it in, or send the word as it is with --keep-words (keep_words)",
    ),
    "formula_error": Wording(None, "column {columns} shows {words}", "correct the formula and save the list again"),
    "value_no_amount": Wording(
        -99, "{value!r} cannot be read as an amount of money", "write it as 1234,50 or $ 1.234,50"
    ),
    "value_no_date": Wording(-99, "{value!r} cannot be read as a date", "write it as 31/12/2026"),
    "number_empty": Wording(-7, "the number is empty", "write {digits} digits"),
    "number_empty/word": Wording(
        -7, "the number is empty ({words} stands for an empty field)", "write {digits} digits"
    ),
    "number_foreign": Wording(-9, "{written!r} is a number of another country", "this list is for {country}"),
    "number_cut": Wording(
        -8, "{written!r} has lost digits in a spreadsheet", "format the column as text and export it again"
    ),
    "number_characters": Wording(-8, "{written!r} contains {characters}", "write digits only"),
    "number_characters/none": Wording(-8, "{written!r} is not written as a number", "write digits only"),
    "number_two": Wording(
        -8,
        "{written!r} holds more than one number",
        "leave one of them, or take the first good one with --first-number (first_number)",
    ),
    "number_service": Wording(-10, "{number} is a 0800, 0810 or 0600 line", "it takes no SMS"),
    "number_ambiguous": Wording(-9, "{number} can be {readings}", "write it without the 15"),
    "number_area": Wording(-9, "{number} has no area code of Argentina", "write area code and number"),
    "number_local": Wording(
        -9, "{number} has a 15 and no area code", "write area code and number, or name the area with --area (area)"
    ),
    "number_prefix": Wording(-12, "{number} must begin with 1, 2 or 3", "write the area code first"),
    "number_too_short": Wording(-7, "{number} is too short (digits: {length})", "{country} has {digits}"),
    "number_too_long": Wording(-7, "{number} is too long (digits: {length})", "{country} has {digits}"),
    "number_too_short/AR": Wording(
        -7, "{number} is too short (digits: {length})", "{country} has {digits} with the area code, without 0 and 15"
    ),
    "number_too_long/AR": Wording(
        -7, "{number} is too long (digits: {length})", "{country} has {digits} with the area code, without 0 and 15"
    ),
    "placeholder_left": Wording(
        -99, "the text has a placeholder that nothing fills in, {placeholder}", "remove it or fill it in"
    ),
    "text_characters": Wording(-11, "the provider does not take {characters} in a text", "write something else"),
    "text_empty": Wording(None, "the text is empty", "write one"),
    "text_too_long": Wording(
        -6, "the text has {length} characters, but only {limit} fit", "shorten the template or the value"
    ),
    "verification_without_company": Wording(
        -99,
        "a verification code must carry the company's name",
        "add the name in DISPATCHER_COMPANY to the text",
    ),
}
"""Reasons by slug; `slug/variant` words the same reason where its facts call for another sentence."""


def say(reason: str, facts: Mapping[str, Any]) -> str:
    """Word a reason: what is wrong, a colon, and what to do about it."""
    return ": ".join(halves(reason, facts))


def halves(reason: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Word a reason: what is wrong, and what to do about it. KeyError for a reason that is not worded here."""
    wording = REASONS[_variant(reason, facts)]
    shown = {name: _shown(value) for name, value in facts.items()}
    why = wording.why.format_map(shown)
    if "column" in facts:
        why = f"column {facts['column']!r}: {why}"
    return why, wording.what_to_do.format_map(shown)


def code(reason: str) -> int | None:
    """Return the guide's result code of a reason, or None where the guide has none."""
    return REASONS[reason].code


def _variant(reason: str, facts: Mapping[str, Any]) -> str:
    if "words" in facts and f"{reason}/word" in REASONS:
        return f"{reason}/word"
    if facts.get("country") == "Argentina" and f"{reason}/AR" in REASONS:
        return f"{reason}/AR"
    if "characters" in facts and not facts["characters"] and f"{reason}/none" in REASONS:
        return f"{reason}/none"
    return reason


def _shown(value: Any) -> Any:
    return ", ".join(repr(each) for each in value) if isinstance(value, list) else value


REMARKS = {
    "two_signs": "{n:,} values of {column!r} begin with a $, and the template has one before them: write {{{column}}}"
    " without it.",
    "other_numbers": "The number was taken from {taken!r}. {other!r} holds one too: {n:,} rows have a valid number only"
    " there. Name the columns with --to-column (to_column): {taken},{other} takes the first valid one.",
    "different_numbers": "{n:,} rows have one number in {taken!r}, which was taken, and another one in {other!r}.",
}
"""What is worth saying of a list, by slug; `n` is how many rows it holds for."""


def remark(slug: str, facts: Mapping[str, Any]) -> str:
    """Word a remark."""
    return REMARKS[slug].format_map(facts)
