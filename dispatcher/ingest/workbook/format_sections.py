"""The parts of a number format: its sections, and the tokens of each. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Renderer = Callable[[float], str]

_LANGUAGES = {0x07: "de", 0x09: "en", 0x0A: "es_AR", 0x0C: "fr", 0x10: "it", 0x16: "pt"}
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]{0,255})"|\\(?P<escaped>.)|_(?P<width>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]{0,255})\]'
    r"|(?P<general>General|Est[aá]ndar)|(?P<half>AM/PM|A/P|a/p|am/pm)|(?P<date>[yY]+|[mM]+|[dD]+|[hH]+|[sS]+(?:\.0+)?)"
    r"|(?P<exponent>[eE][+\-]0+)|(?P<digits>[0#?][0#?,]*(?:\.[0#?]*)?,*|\.[0#?]+)|(?P<text>@)|(?P<percent>%)"
    r"|(?P<other>.)",
    re.DOTALL | re.IGNORECASE,
)
# `dd/mm/aaaa`, as programs in Spanish write it.
_SPANISH_DATE = re.compile(
    r"(?i)[^a-z]*(?:d{1,4}|m{1,5})[^a-z]+(?:d{1,4}|m{1,5})[^a-z]+a{2,4}(?:[^a-z]+[hms:. ]+)?[^a-z]*"
)
_SPANISH_YEAR = re.compile(r"(?i)a{2,4}")
_PIECE = re.compile(r'"[^"]{0,255}"|\\.|\[[^\]]{0,255}\]|.', re.DOTALL)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)")
_COLOURS = re.compile(r"(?i)black|blue|cyan|green|magenta|red|white|yellow|negro|azul|verde|rojo|blanco|color ?\d+")


class Beyond(Exception):
    """A format says something that cannot be rendered here."""


@dataclass(frozen=True)
class Token:
    """One piece of a section, by the name of its group."""

    kind: str
    text: str


@dataclass
class Section:
    """What a format says of the numbers of one sign, or of those that meet a condition."""

    tokens: list[Token]
    condition: tuple[str, float] | None = None
    language: str = "es_AR"
    system: str = ""  # F800: the long date of the computer; F400: its time

    def has(self, *kinds: str) -> bool:
        """Tell whether it has a token of one of these kinds."""
        return any(token.kind in kinds for token in self.tokens)


def split_code(code: str) -> list[str]:
    """Divide a format at the semicolons outside quotes."""
    parts = [""]
    for found in _PIECE.finditer(code):
        if found[0] == ";":
            parts.append("")
        else:
            parts[-1] += found[0]
    return parts


def section_of(part: str) -> Section:
    """Read one section; Beyond for what is not rendered here."""
    section = Section([])
    part = _SPANISH_YEAR.sub(lambda found: "y" * len(found[0]), part) if _SPANISH_DATE.fullmatch(part) else part
    for found in _TOKEN.finditer(part):
        kind, text = found.lastgroup or "other", found[found.lastgroup or "other"]
        if kind == "bracket":
            _bracket(section, text)
        elif kind == "other" and ((text == "/" and not section.has("date")) or text.isalpha()):
            raise Beyond(text)
        elif kind == "width":
            section.tokens.append(Token("literal", " "))
        elif kind != "fill":
            kind = "literal" if kind in ("quoted", "escaped", "other") else kind
            section.tokens.append(Token(kind, text))
    return section


def _bracket(section: Section, text: str) -> None:
    if condition := _CONDITION.fullmatch(text):
        section.condition = (condition[1], float(condition[2]))
    elif text.startswith("$"):
        symbol, _, locale = text[1:].partition("-")
        if symbol:
            section.tokens.append(Token("literal", symbol))
        try:
            number = int(locale or "0", 16)
        except ValueError:
            return
        if number & 0xFFFF in (0xF800, 0xF400):
            section.system = f"{number & 0xFFFF:X}"
        elif number:
            section.language = _LANGUAGES.get(number & 0x3FF, "es_AR")
    elif text.lower().strip("hms") == "" and text:
        section.tokens.append(Token("elapsed", text.lower()))
    elif not _COLOURS.fullmatch(text):
        raise Beyond(text)


def literal(tokens: Sequence[Token]) -> str:
    """Return tokens as the text that they stand for."""
    return "".join("%" if token.kind == "percent" else token.text for token in tokens)
