"""Why a row is invalid, in words: a reason is a slug with its facts, and this is the one place that words it,
in the language of who reads it.

What is stored is the slug and the facts; the sentence is made from them when somebody reads it. Each wording has two
halves: what is wrong, and what the owner of the list does about it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dispatcher.i18n.words import Language, translated, worded


class Wording(NamedTuple):
    """The two halves of a sentence, with the facts in braces, and the guide's result code that fits."""

    code: int | None
    why: str
    what_to_do: str


DUPLICATE = r"^([0-9]+) (?:is already in|ya est[aá] en) "
"""How the wording of a duplicate begins, in every language that it is written in: with the number."""

REASONS = {
    "erased": Wording(None, "the person was erased", "nothing is left to do"),
    "duplicate": Wording(None, "{number} is already in {where}", "only the first row of a number is sent"),
    "field_empty": Wording(-99, "column {columns} is empty and the template needs it", "fill it in"),
    "field_empty/word": Wording(
        -99,
        "column {columns} is empty and the template needs it ({words} stands for an empty field)",
        "fill it in, or send the word as it is with --keep-words (keep_words)",
    ),
    "formula_error": Wording(None, "column {columns} shows {words}", "correct the formula and save the list again"),
    "formula_error/unsaved": Wording(
        None,
        "column {columns} has a formula whose value was not saved",
        "open the list in a spreadsheet and save it again",
    ),
    "value_cut": Wording(
        -99, "{value!r} has lost digits in a spreadsheet", "format the column as text and export it again"
    ),
    "sign_before_words": Wording(
        -99,
        "{value!r} is no amount, and the template has a $ before it",
        "correct the value, or take the $ out of the template",
    ),
    "value_no_amount": Wording(
        -99, "{value!r} cannot be read as an amount of money", "write it as 1234,50 or $ 1.234,50"
    ),
    "value_no_date": Wording(-99, "{value!r} cannot be read as a date", "write it as 31/12/2026"),
    "damaged_text": Wording(None, "letters of {value!r} were lost when the list was saved", "write the value again"),
    "fields_missing": Wording(
        None,
        "the row has {fields} of {headings} fields",
        "the text or the number needs one that is missing: write it, or put the lost separator back",
    ),
    "fields_extra": Wording(
        None,
        "the row has {fields} fields, the headings are {headings}",
        "put a value that contains a separator in quotes",
    ),
    "open_quote": Wording(None, "a quote is opened and never closed", "remove it, or write it twice inside quotes"),
    "row_too_long": Wording(None, "the row is longer than {limit} bytes", "is a line break missing?"),
    "nul_byte": Wording(
        None, "the row contains a NUL byte (shown as \\x00)", "the list is damaged there, write the row again"
    ),
    "nul_byte/value": Wording(None, "the value contains a NUL or half a character", "write the value again"),
    "bad_json": Wording(None, "the line is not a JSON object", "write {{...}} on one line"),
    "bad_json/value": Wording(None, "{value} is not a number that JSON knows", "write a number"),
    "two_values": Wording(None, "the object has two values for it", "leave one"),
    "value_nested": Wording(None, "{kind} is not a single value", "write a text or a number"),
    "not_an_object": Wording(None, "a recipient must be an object with columns", "write an object"),
    "number_empty": Wording(-7, "the number is empty", "write {digits} digits"),
    "number_empty/word": Wording(
        -7, "the number is empty ({words} stands for an empty field)", "write {digits} digits"
    ),
    "number_foreign": Wording(-9, "{written!r} is a number of another country", "this list is for {country}"),
    "number_cut": Wording(
        -8, "{written!r} has lost digits in a spreadsheet", "format the column as text and export it again"
    ),
    "headings_again": Wording(None, "the line repeats the headings", "delete it if you like: nobody is missing"),
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
    "number_too_long/text": Wording(
        -7, "{written!r} is too long (characters: {length})", "{country} has {digits} digits"
    ),
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


def say(reason: str, facts: Mapping[str, Any], language: Language | None = None) -> str:
    """Word a reason: what is wrong, a colon, and what to do about it."""
    return ": ".join(halves(reason, facts, language))


def halves(reason: str, facts: Mapping[str, Any], language: Language | None = None) -> tuple[str, str]:
    """Word a reason: what is wrong, and what to do about it. KeyError for a reason that is not worded here."""
    wording = REASONS[_variant(reason, facts)]
    shown = {name: _shown(name, value, language) for name, value in facts.items()}
    why = worded(wording.why, language, **shown)
    if "column" in facts:
        why = worded("column {column!r}: {why}", language, column=facts["column"], why=why)
    return why, worded(wording.what_to_do, language, **shown)


def code(reason: str) -> int | None:
    """Return the guide's result code of a reason, or None where the guide has none."""
    return REASONS[reason].code


def _variant(reason: str, facts: Mapping[str, Any]) -> str:
    if facts.get("words") == ["=?"] and f"{reason}/unsaved" in REASONS:
        return f"{reason}/unsaved"
    if "words" in facts and f"{reason}/word" in REASONS:
        return f"{reason}/word"
    if "column" in facts and f"{reason}/value" in REASONS:
        return f"{reason}/value"
    if "written" in facts and f"{reason}/text" in REASONS:
        return f"{reason}/text"
    if facts.get("country") == "Argentina" and f"{reason}/AR" in REASONS:
        return f"{reason}/AR"
    if "characters" in facts and not facts["characters"] and f"{reason}/none" in REASONS:
        return f"{reason}/none"
    return reason


def _shown(name: str, value: Any, language: Language | None) -> Any:
    if isinstance(value, list):
        return ", ".join(repr(each) for each in value)
    if name == "where":
        line = str(value).removeprefix("line ")
        return worded("line {line}", language, line=line) if line.isdecimal() else translated(str(value), language)
    if name == "readings":
        return str(value).replace(" or ", worded(" or ", language))
    return value
