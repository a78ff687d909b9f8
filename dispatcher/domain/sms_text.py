"""The text of a message: the provider's alphabet, how Spanish is written in it, and which texts need a company name.

Pure: strings in, strings and numbers out. Guide: "Los caracteres permitidos son", and its IMPORTANTE on
verification codes.
"""

from __future__ import annotations

import re
import unicodedata

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!?#$%()*+,-./:;=@ "
"""What the provider accepts. The guide's list for HTTP lacks `#`, but the provider takes it."""

MAX_LENGTH = 160
"""The most characters that a rendered text may have."""

OUTSIDE = r"[^A-Za-z0-9!?#$%()*+,\-./:;=@ ]"
LEFTOVER = r"\*[0-9]+\*|\{[^{}]*\}"
"""A placeholder that was not filled in: the provider's own `*1*`, or one of ours."""

ENCODED_AS_THREE = r"[!?#$%()*+,/:;=@]"
"""Characters of the alphabet that take three bytes (`%2C`) in a form-encoded body."""

SUSPECT = rf"{LEFTOVER}|{OUTSIDE}"
"""What a valid text must not contain."""

_OUTSIDE = re.compile(OUTSIDE)
_LEFTOVER = re.compile(LEFTOVER)

SIMPLE = {
    **dict(zip("áéíóúàèìòùâêîôûäëïöüãõñç", "aeiouaeiouaeiouaeiouaonc", strict=True)),
    **dict(zip("ÁÉÍÓÚÀÈÌÒÙÂÊÎÔÛÄËÏÖÜÃÕÑÇ", "AEIOUAEIOUAEIOUAEIOUAONC", strict=True)),
    **dict.fromkeys("\u00a0\u202f\u2007\t\v\f\n\u0085\u2028\u2029", " "),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    "º": "o",
    "ª": "a",
    "°": "o",
    "…": "...",
    "€": "EUR",
}
"""Characters with one plain spelling. Nothing is lost, so they can be replaced in a whole column at once."""

# Letters that Unicode does not split into a base and an accent.
_LETTERS = {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L"}
_DROPPED = frozenset("\"'“”„‟«»‹›‘’‚‛´¿¡")

_BASE = (
    "\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u2194-\u2199\u21a9\u21aa\U0001f000-\U0001faff"
)
_ONE = f"[{_BASE}][\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?[\U000e0020-\U000e007f]*"
_EMOJI = re.compile(
    "[0-9#*]\ufe0f?\u20e3"  # keycaps
    "|[\U0001f1e6-\U0001f1ff]{1,2}"  # flags
    "|[©®‼⁉™ℹⓂ〰〽㊗㊙]\ufe0f"  # signs that are emoji only with a variation selector
    f"|{_ONE}(?:\u200d{_ONE})*"
)

# An emoji in the middle of a text leaves no blank behind: `Ana 😀, hola` is `Ana, hola`.
_WITH_BLANKS = re.compile(rf"( ?)((?:{_EMOJI.pattern})+(?: (?:{_EMOJI.pattern})+)*)(?=([ ,.;:!?)]?))")

_DIGITS = r"\b(?:[0-9]{4,8}|[0-9]{3}[ -][0-9]{3})\b"

VERIFICATION = (
    # what it is for: "codigo de verificacion", "clave de ingreso", "contrasena temporal"
    r"(?i)\b(?:codigo|cod\.?|clave|token|contrasena|password)(?:\s+[a-z]+)?\s+(?:de\s+|para\s+)?(?:tu\s+|su\s+|la\s+)?"
    r"(?:verificacion|seguridad|acceso|validacion|autenticacion|un\s+solo\s+uso)\b"
    r"|\b(?:codigo|clave|token|contrasena)\s+de\s+(?:confirmacion|activacion|ingreso)\b"
    r"|\b(?:codigo|clave|contrasena|password)\s+(?:temporal|temporaria|provisoria|provisorio)\b"
    r"|\botp\b|\bpin\s+(?:de|para)\b"
    r"|\b(?:verification|security|access|one[- ]time)\s+(?:code|password|pin)\b"
    # its digits right behind its name: "codigo: 1234", "tu PIN es 1234"; or before it: "123456 es tu codigo."
    r"|\b(?:codigo|clave|token|contrasena|password|pin)(?:\s+es\b(?:\s*:)?|\s*[:=])\s*"
    + _DIGITS
    + r"|\bpin\s+"
    + _DIGITS
    + r"|\b(?:verificacion|autenticacion)\s*[:=]\s*"
    + _DIGITS
    + r"|"
    + _DIGITS
    + r"\s+es\s+(?:tu|su|el)\s+(?:codigo|clave|token|contrasena|pin)(?:\s+para\b|\s*[.,;:!)-]|\s*$)"
    # what to do with it: "usa 123456 para verificar tu cuenta"
    r"|\b(?:usa|use|utiliza|utilice|ingresa|ingrese|introduci|introduzca|escribi|escriba)\s+(?:el\s+)?(?:codigo\s+)?"
    + _DIGITS
    + r"\s+para\s+(?:verificar|validar|confirmar|autenticar|activar|ingresar|acceder|entrar|iniciar)\b"
)
"""How a verification code is worded, in a text without accents. Python and polars read the pattern alike."""

_VERIFICATION = re.compile(VERIFICATION)


def transliterate(text: str) -> tuple[str, int]:
    """Spell `text` in the provider's alphabet; also return how many visible characters were dropped.

    á→a, ñ→n, €→EUR, … and dashes to ASCII, blanks of any kind to a space. Quotes, ¿ and ¡ are dropped, and so are
    emoji; each counts as one, however many code points it has. What has no spelling here (`&`, `_`, `[`) stays as it
    is, because it may be part of an address; `outside_alphabet` then names it.
    """
    if not _OUTSIDE.search(text):
        return text, 0
    text, dropped = _without_emoji(text.replace("\r\n", "\n"))
    spelled = []
    for char in _composed(text):
        if char in _DROPPED:
            dropped += 1
        else:
            spelled.append(_spell(char))
    return "".join(spelled), dropped


def _without_emoji(text: str) -> tuple[str, int]:
    """Leave out emoji, with a blank that would stand before a comma or beside another blank; count them.

    The blank before an emoji at the end stays: the text may be a piece of a template.
    """
    dropped = 0

    def gap(found: re.Match[str]) -> str:
        nonlocal dropped
        dropped += len(_EMOJI.findall(found[2]))
        return "" if found[3] else found[1]

    return _WITH_BLANKS.sub(gap, text), dropped


def _composed(text: str) -> str:
    """Letters and their accents as one character each.

    A piece at a time, because Python sorts a run of accents in quadratic time; at the edge of a piece the accent stays
    apart, and is dropped later.
    """
    return "".join(unicodedata.normalize("NFC", text[at : at + 500]) for at in range(0, len(text), 500))


def _spell(char: str) -> str:
    if char in ALPHABET:
        return char
    if (simple := SIMPLE.get(char) or _LETTERS.get(char)) is not None:
        return simple
    kind = unicodedata.category(char)
    if char == "\r" or kind == "Zs":
        return " "
    if kind in ("Cf", "Mn", "Me"):  # joiners, direction marks, stray accents and variation selectors
        return ""
    plain = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    plain = plain.replace("⁄", "/")
    return plain if plain and not _OUTSIDE.search(plain) else char


def outside_alphabet(text: str) -> list[str]:
    """Return the distinct characters of `text` that the provider does not take, in order of appearance."""
    return list(dict.fromkeys(_OUTSIDE.findall(text)))


def leftover(text: str) -> str | None:
    """Return the first placeholder that was not filled in (`*1*`, `{x}`), if there is one."""
    found = _LEFTOVER.search(text)
    return found[0] if found else None


def is_verification(text: str) -> bool:
    """Tell whether `text` looks like a verification code, for which the guide requires the company's name."""
    return _VERIFICATION.search(_plain(text)) is not None


def names_company(text: str, company: str) -> bool:
    """Tell whether `text` contains `company` as whole words, whatever the case, accents and punctuation."""
    words = re.findall(r"[a-z0-9]+", _plain(company))
    if not words:
        return False
    return _spelled(words).search(_plain(text)) is not None


def _spelled(words: list[str]) -> re.Pattern[str]:
    """The words one after the other, with punctuation in them (S.A. is SA) and anything but letters between them."""
    spelled = r"[^a-z0-9]*+".join(r"[^a-z0-9\s]*+".join(word) for word in words)
    return re.compile(rf"(?<![a-z0-9]){spelled}(?![a-z0-9])")


def _plain(text: str) -> str:
    return transliterate(text)[0].casefold()
