"""Number formats: a number as its cell shows it in a Spanish (Argentine) spreadsheet. Pure.

Babel writes the numbers, dates and names. The format language has more than Babel knows: fractions, other calendars,
other digits. Such a format yields no renderer; the reader shows the plain number and says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

from babel import Locale
from babel.numbers import parse_pattern

from dispatcher.ingest.values import shown_value
from dispatcher.ingest.workbook.format_dates import OVERFLOW, dates, moment_of
from dispatcher.ingest.workbook.format_sections import Beyond, Renderer, Section, Token, literal, section_of, split_code

_LOCALE = Locale("es", "AR")
_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)
_ARGENTINE = str.maketrans(",.", ".,")

BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: '"$" #,##0', 6: '"$" #,##0', 7: '"$" #,##0.00',
    8: '"$" #,##0.00', 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??", 14: "dd/mm/yyyy",
    15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: "dd/mm/yyyy hh:mm", 37: "#,##0", 38: "#,##0", 39: "#,##0.00", 40: "#,##0.00", 41: "#,##0", 42: '"$" #,##0',
    43: "#,##0.00", 44: '"$" #,##0.00', 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss", 48: "##0.0E+0", 49: "@",
}  # fmt: skip
"""Formats that a workbook names by number alone; 14 and 22 follow the settings of the computer."""

# Programs write dates so by default (openpyxl, pandas); a person in Argentina writes 01/03/2026.
_ISO = re.compile(r"yyyy\\?-mm\\?-dd(?:(?:\\?[ tT]|\"T\")hh?:mm(?::ss(?:[.,]0+)?)?)?(?:;@)?", re.IGNORECASE)

_TINY = 1e-4
_CURRENCY = re.compile(r"[\s$€]|USD|ARS|EUR|U")
_LONGEST = 255  # characters of a format, as a spreadsheet allows


def renderer(code: str, *, from_1904: bool = False) -> Renderer | None:
    """Return what renders numbers in the format `code`; None when it has something that is not rendered here."""
    if len(code) > _LONGEST:
        return None
    if _ISO.fullmatch(code):
        return lambda value: shown_value(moment_of(value, from_1904)) or ""
    try:
        sections = [section_of(part) for part in split_code(code)]
        if len(sections) > 1 and sections[-1].has("text"):
            sections = sections[:-1]
        renderers = [_section_renderer(section, from_1904) for section in sections[:3]]
    except Beyond:
        return None
    return _chosen(sections[:3], renderers)


def text_frame(code: str) -> tuple[str, str] | None:
    """Return what stands before and behind a text in this format; None when the text stands alone."""
    for part in split_code(code)[-1:] if len(code) <= _LONGEST else ():
        try:
            tokens = section_of(part).tokens
        except Beyond:
            return None
        at = next((at for at, token in enumerate(tokens) if token.kind == "text"), None)
        if at is not None and len(tokens) > 1:
            return literal(tokens[:at]), literal(tokens[at + 1 :])
    return None


def general(value: float) -> str:
    """Return a number as a cell without a format shows it: 11 characters at most, none of them lost to an exponent."""
    if not value.is_integer() and abs(value) >= _TINY:
        whole = len(str(int(abs(value))))
        value = float(_EXACT.quantize(Decimal(format(value, ".15g")), Decimal(1).scaleb(-max(0, 10 - whole))))
    return (shown_value(value) or "").replace(".", ",")


def _chosen(sections: Sequence[Section], renderers: Sequence[Renderer]) -> Renderer:
    """Return the renderer that picks a section by the number's sign, or by the sections' conditions."""
    if len(renderers) == 1 and sections[0].condition is None:
        return lambda value: _signed(renderers[0], value, dated=sections[0].has("date", "elapsed"))
    if any(section.condition for section in sections):
        return _by_condition(sections, renderers)

    if len(renderers) > 2 and _is_dash(sections[2]):  # a zero in a ledger is a dash; in a text it is a zero
        renderers = [renderers[0], renderers[1], renderers[0]]

    def render(value: float) -> str:
        if value < 0:
            return renderers[1](-value)
        return renderers[2 if value == 0 and len(renderers) > 2 else 0](value)

    return render


def _is_dash(section: Section) -> bool:
    """Tell whether a section writes its number as a dash, with a currency at most."""
    shown = literal([token for token in section.tokens if token.kind != "digits"])
    return _CURRENCY.sub("", shown) in ("-", "–", "—")


def _signed(render: Renderer, value: float, *, dated: bool) -> str:
    if value >= 0 or dated:
        return render(value)
    shown = render(-value)
    return f"-{shown}" if re.search("[1-9]", shown) else shown


def _by_condition(sections: Sequence[Section], renderers: Sequence[Renderer]) -> Renderer:
    tests: dict[str, Callable[[float, float], bool]] = {
        "<": lambda a, b: a < b,
        ">": lambda a, b: a > b,
        "<=": lambda a, b: a <= b,
        ">=": lambda a, b: a >= b,
        "=": lambda a, b: a == b,
        "<>": lambda a, b: a != b,
    }

    def render(value: float) -> str:
        for section, shown in zip(sections, renderers, strict=True):
            if section.condition is None or tests[section.condition[0]](value, section.condition[1]):
                return _signed(shown, value, dated=section.has("date", "elapsed"))
        return OVERFLOW

    return render


def _section_renderer(section: Section, from_1904: bool) -> Renderer:
    if section.has("date", "elapsed", "half"):
        return dates(section, from_1904)
    if section.has("general"):
        before, after = _around(section.tokens, "general")
        return lambda value: f"{before}{general(value)}{after}"
    if section.has("text"):
        return general
    if section.has("digits"):
        return _numbers(section)
    fixed = literal(section.tokens)
    return lambda _: fixed


def _around(tokens: Sequence[Token], kind: str) -> tuple[str, str]:
    at = next(at for at, token in enumerate(tokens) if token.kind == kind)
    return literal(tokens[:at]), literal(tokens[at + 1 :])


def _numbers(section: Section) -> Renderer:
    tokens = section.tokens
    places = [at for at, token in enumerate(tokens) if token.kind in ("digits", "exponent")]
    first, last = places[0], places[-1]
    if any(token.kind == "literal" for token in tokens[first : last + 1]):
        return _masked(tokens, first, last)
    if tokens[last].kind == "exponent":
        return general  # nobody writes 1,23E+04, and the digits are all there
    if [token.kind for token in tokens[first : last + 1]] != ["digits"]:
        raise Beyond("digits")
    before, after = literal(tokens[:first]), literal(tokens[last + 1 :])
    whole, _, fraction = tokens[first].text.replace("?", "#").partition(".")
    scale = 10 ** (2 * sum(token.kind == "percent" for token in tokens))
    scaled = len(tokens[first].text) - len(tokens[first].text.rstrip(","))
    whole, fraction = whole.rstrip(",") if not fraction else whole, fraction.rstrip(",")
    zeros = whole.count("0")
    pattern = ("#,##0" if "," in whole else "0").replace("0", "0" * zeros if zeros else "#")
    pattern += f".{fraction}" if fraction else ""
    pattern += tokens[last].text if last > first else ""
    digits = None if last > first else Decimal(1).scaleb(-len(fraction))
    written = parse_pattern(pattern)
    # Babel takes 15 µs for a number; the most frequent shapes are a matter of one format string.
    quick = "{:,f}" if zeros == 1 and fraction.count("0") == len(fraction) and last == first else ""
    quick = quick if "," in whole else quick.replace(",", "")

    def render(value: float) -> str:
        exact = Decimal(format(value or 0.0, ".15g"))  # there is no -0 in a cell
        if scale > 1 or scaled:
            exact = exact * scale / 1000**scaled
        if digits is not None:
            exact = _EXACT.quantize(exact, digits)
        shown = quick.format(exact).translate(_ARGENTINE) if quick else written.apply(exact, _LOCALE)
        return f"{before}{shown if zeros or exact else ''}{after}"

    return render


def _masked(tokens: Sequence[Token], first: int, last: int) -> Renderer:
    """Render digits with signs between them, from the right: 00-00000000-0."""
    if any(token.kind not in ("digits", "literal") for token in tokens[first : last + 1]):
        raise Beyond("digits")
    places: list[str] = []
    for token in tokens[first : last + 1]:
        if token.kind == "literal":
            places.append(f"={token.text}")
        elif set(token.text) - set("0#?"):
            raise Beyond(token.text)
        else:
            places += token.text
    before, after = literal(tokens[:first]), literal(tokens[last + 1 :])

    def render(value: float) -> str:
        digits = str(int(Decimal(format(value, ".15g")).quantize(Decimal(1), ROUND_HALF_UP)))
        shown: list[str] = []
        for place in reversed(places):
            if place.startswith("="):
                shown.append(place[1:])
            elif digits:
                shown.append(digits[-1])
                digits = digits[:-1]
            elif place == "0":
                shown.append("0")
        return f"{before}{digits}{''.join(reversed(shown))}{after}"

    return render
