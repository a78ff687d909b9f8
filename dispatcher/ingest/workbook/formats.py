"""Number formats: a number as its cell shows it in a Spanish (Argentine) spreadsheet. Pure.

Babel writes the numbers, dates and names. The format language has more than Babel knows: fractions, other calendars,
other digits. Such a format yields no renderer; the reader shows the plain number and says so.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import parse_pattern

from dispatcher.ingest.values import shown_value

Renderer = Callable[[float], str]

OVERFLOW = "########"
"""What a cell shows that cannot show its value: a date before 1900, say."""

_LOCALE = Locale("es", "AR")
_LANGUAGES = {0x07: "de", 0x09: "en", 0x0A: "es_AR", 0x0C: "fr", 0x10: "it", 0x16: "pt"}
_DAY = 86_400
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

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]{0,255})"|\\(?P<escaped>.)|_(?P<width>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]{0,255})\]'
    r"|(?P<general>General|Est[aá]ndar)|(?P<half>AM/PM|A/P|a/p|am/pm)|(?P<date>[yY]+|[mM]+|[dD]+|[hH]+|[sS]+(?:\.0+)?)"
    r"|(?P<exponent>[eE][+\-]0+)|(?P<digits>[0#?][0#?,]*(?:\.[0#?]*)?,*|\.[0#?]+)|(?P<text>@)|(?P<percent>%)"
    r"|(?P<other>.)",
    re.DOTALL | re.IGNORECASE,
)
_PIECE = re.compile(r'"[^"]{0,255}"|\\.|\[[^\]]{0,255}\]|.', re.DOTALL)
_LONGEST = 255  # characters of a format, as a spreadsheet allows
_ELAPSED = re.compile("\ue000(h+|m+|s+)\ue001")
_UNITS = {"h": 3600, "m": 60, "s": 1}
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)")
_COLOURS = re.compile(r"(?i)black|blue|cyan|green|magenta|red|white|yellow|negro|azul|verde|rojo|blanco|color ?\d+")


class _Beyond(Exception):
    """A format says something that cannot be rendered here."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


@dataclass
class _Section:
    tokens: list[_Token]
    condition: tuple[str, float] | None = None
    language: str = "es_AR"
    system: str = ""  # F800: the long date of the computer; F400: its time

    def has(self, *kinds: str) -> bool:
        return any(token.kind in kinds for token in self.tokens)


def renderer(code: str, *, from_1904: bool = False) -> Renderer | None:
    """Return what renders numbers in the format `code`; None when it has something that is not rendered here."""
    if len(code) > _LONGEST:
        return None
    if _ISO.fullmatch(code):
        return lambda value: shown_value(_moment(value, from_1904)) or ""
    try:
        sections = [_section(part) for part in _split(code)]
        if len(sections) > 1 and sections[-1].has("text"):
            sections = sections[:-1]
        renderers = [_section_renderer(section, from_1904) for section in sections[:3]]
    except _Beyond:
        return None
    return _chosen(sections[:3], renderers)


def text_frame(code: str) -> tuple[str, str] | None:
    """Return what stands before and behind a text in this format; None when the text stands alone."""
    for part in _split(code)[-1:] if len(code) <= _LONGEST else ():
        try:
            tokens = _section(part).tokens
        except _Beyond:
            return None
        at = next((at for at, token in enumerate(tokens) if token.kind == "text"), None)
        if at is not None and len(tokens) > 1:
            return _literal(tokens[:at]), _literal(tokens[at + 1 :])
    return None


def general(value: float) -> str:
    """Return a number as a cell without a format shows it: 15 digits at most, none of them lost to an exponent."""
    return (shown_value(value) or "").replace(".", ",")


def _split(code: str) -> list[str]:
    """Divide a format at the semicolons outside quotes."""
    parts = [""]
    for found in _PIECE.finditer(code):
        if found[0] == ";":
            parts.append("")
        else:
            parts[-1] += found[0]
    return parts


def _section(part: str) -> _Section:
    section = _Section([])
    for found in _TOKEN.finditer(part):
        kind, text = found.lastgroup or "other", found[found.lastgroup or "other"]
        if kind == "bracket":
            _bracket(section, text)
        elif kind == "other" and ((text == "/" and not section.has("date")) or text.isalpha()):
            raise _Beyond(text)
        elif kind == "width":
            section.tokens.append(_Token("literal", " "))
        elif kind != "fill":
            kind = "literal" if kind in ("quoted", "escaped", "other") else kind
            section.tokens.append(_Token(kind, text))
    return section


def _bracket(section: _Section, text: str) -> None:
    if condition := _CONDITION.fullmatch(text):
        section.condition = (condition[1], float(condition[2]))
    elif text.startswith("$"):
        symbol, _, locale = text[1:].partition("-")
        if symbol:
            section.tokens.append(_Token("literal", symbol))
        try:
            number = int(locale or "0", 16)
        except ValueError:
            return
        if number & 0xFFFF in (0xF800, 0xF400):
            section.system = f"{number & 0xFFFF:X}"
        elif number:
            section.language = _LANGUAGES.get(number & 0x3FF, "es_AR")
    elif text.lower().strip("hms") == "" and text:
        section.tokens.append(_Token("elapsed", text.lower()))
    elif not _COLOURS.fullmatch(text):
        raise _Beyond(text)


def _chosen(sections: Sequence[_Section], renderers: Sequence[Renderer]) -> Renderer:
    """Return the renderer that picks a section by the number's sign, or by the sections' conditions."""
    if len(renderers) == 1 and sections[0].condition is None:
        return lambda value: _signed(renderers[0], value, dated=sections[0].has("date", "elapsed"))
    if any(section.condition for section in sections):
        return _by_condition(sections, renderers)

    def render(value: float) -> str:
        if value < 0:
            return renderers[1](-value)
        return renderers[2 if value == 0 and len(renderers) > 2 else 0](value)

    return render


def _signed(render: Renderer, value: float, *, dated: bool) -> str:
    if value >= 0 or dated:
        return render(value)
    shown = render(-value)
    return f"-{shown}" if re.search("[1-9]", shown) else shown


def _by_condition(sections: Sequence[_Section], renderers: Sequence[Renderer]) -> Renderer:
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


def _section_renderer(section: _Section, from_1904: bool) -> Renderer:
    if section.has("date", "elapsed", "half"):
        return _dates(section, from_1904)
    if section.has("general"):
        before, after = _around(section.tokens, "general")
        return lambda value: f"{before}{general(value)}{after}"
    if section.has("text"):
        return general
    if section.has("digits"):
        return _numbers(section)
    fixed = _literal(section.tokens)
    return lambda _: fixed


def _literal(tokens: Sequence[_Token]) -> str:
    return "".join("%" if token.kind == "percent" else token.text for token in tokens)


def _around(tokens: Sequence[_Token], kind: str) -> tuple[str, str]:
    at = next(at for at, token in enumerate(tokens) if token.kind == kind)
    return _literal(tokens[:at]), _literal(tokens[at + 1 :])


def _numbers(section: _Section) -> Renderer:
    tokens = section.tokens
    places = [at for at, token in enumerate(tokens) if token.kind in ("digits", "exponent")]
    first, last = places[0], places[-1]
    if any(token.kind == "literal" for token in tokens[first : last + 1]):
        return _masked(tokens, first, last)
    if [token.kind for token in tokens[first : last + 1]] not in (["digits"], ["digits", "exponent"]):
        raise _Beyond("digits")
    before, after = _literal(tokens[:first]), _literal(tokens[last + 1 :])
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


def _masked(tokens: Sequence[_Token], first: int, last: int) -> Renderer:
    """Render digits with signs between them, from the right: 00-00000000-0."""
    if any(token.kind not in ("digits", "literal") for token in tokens[first : last + 1]):
        raise _Beyond("digits")
    places: list[str] = []
    for token in tokens[first : last + 1]:
        if token.kind == "literal":
            places.append(f"={token.text}")
        elif set(token.text) - set("0#?"):
            raise _Beyond(token.text)
        else:
            places += token.text
    before, after = _literal(tokens[:first]), _literal(tokens[last + 1 :])

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


def _moment(value: float, from_1904: bool) -> datetime.datetime | datetime.date | datetime.time:
    """Return the moment that a number stands for, to the second; ValueError (OVERFLOW) when there is none."""
    seconds = round(value * _DAY)
    days, rest = divmod(seconds, _DAY)
    clock = datetime.datetime.min + datetime.timedelta(seconds=rest)
    if 0 <= days < 1 and not from_1904:
        return clock.time()
    if not 0 <= days < 2_958_466:
        raise ValueError(OVERFLOW)
    first = datetime.datetime(1904, 1, 1) if from_1904 else datetime.datetime(1899, 12, 30 + (days < 60))
    return first + datetime.timedelta(days=days, seconds=rest)


def _dates(section: _Section, from_1904: bool) -> Renderer:
    if section.has("digits", "exponent", "percent", "general", "text"):
        raise _Beyond("a date with digits")
    pattern = _cldr(section)
    language = section.language

    def render(value: float) -> str:
        elapsed = round(value * _DAY)
        if elapsed < 0:
            raise ValueError(OVERFLOW)
        moment = _moment(value, from_1904)
        if isinstance(moment, datetime.time):
            moment = datetime.datetime.combine(datetime.date(1899, 12, 30), moment)
        assert isinstance(moment, datetime.datetime)
        shown = format_datetime(moment, pattern, locale=language)
        return _ELAPSED.sub(lambda found: str(elapsed // _UNITS[found[1][0]]).zfill(len(found[1])), shown)

    return render


def _cldr(section: _Section) -> str:
    """Return the pattern that Babel takes for a date."""
    if section.system == "F800":
        return "EEEE, d 'de' MMMM 'de' y"
    if section.system == "F400":
        return "HH:mm:ss"
    half = section.has("half")
    pieces: list[str] = []
    timed = False  # an m behind hours is minutes
    for at, token in enumerate(section.tokens):
        text = token.text.lower()
        if token.kind == "date":
            piece = _date_piece(section.tokens, at, text, half=half, timed=timed)
            pieces.append(piece)
            timed = text[0] == "h" or (timed and piece[0] not in "myd")
        elif token.kind == "elapsed":
            pieces.append(f"'\ue000{text}\ue001'")
            timed = text[0] in "hm"
        elif token.kind == "half":
            pieces.append("a")
        else:
            pieces.append("'" + token.text.replace("'", "''") + "'")
    return "".join(pieces)


def _date_piece(tokens: Sequence[_Token], at: int, text: str, *, half: bool, timed: bool) -> str:
    letter, length = text[0], len(text)
    if letter == "y":
        return "yy" if length <= 2 else "yyyy"
    if letter == "d":
        return ("d", "dd", "EEE", "EEEE")[min(length, 4) - 1]
    if letter == "h":
        return ("h" if half else "H") * min(length, 2)
    if letter == "s":
        seconds, _, tenths = text.partition(".")
        return "s" * min(len(seconds), 2) + ("," + "S" * len(tenths) if tenths else "")
    following = next((token.text.lower()[0] for token in tokens[at + 1 :] if token.kind in ("date", "elapsed")), "")
    if length <= 2 and (timed or following == "s"):
        return "m" * length
    return "M" * min(length, 5)
