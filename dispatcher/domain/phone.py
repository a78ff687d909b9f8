"""Telephone numbers: every written form becomes the national number that the provider takes (guide, TOS).

Pure: a string comes in, a string or a `PhoneProblem` goes out. Only the provider knows whether a number can receive SMS
(-1 for a fixed line): mobile and fixed lines share ranges in Argentina.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from dispatcher.domain import reasons

COUNTRIES = ("AR", "GT", "MX", "PE", "UY")

# The 300 area codes ("indicativos interurbanos") of Argentina, without the trunk 0.
AREA_CODES = frozenset(
    re.findall(
        r"[0-9]+",
        """
    11 220 2202 221 2221 2223 2224 2225 2226 2227 2229 223 2241 2242 2243 2244 2245 2246 2252 2254 2255
    2257 2261 2262 2264 2265 2266 2267 2268 2271 2272 2273 2274 2281 2283 2284 2285 2286 2291 2292 2296
    2297 230 2302 2314 2316 2317 2320 2323 2324 2325 2326 2331 2333 2334 2335 2336 2337 2338 2342 2343
    2344 2345 2346 2352 2353 2354 2355 2356 2357 2358 236 237 2392 2393 2394 2395 2396 2473 2474 2475
    2477 2478 249 260 261 2622 2624 2625 2626 263 264 2646 2647 2648 2651 2655 2656 2657 2658 266 280
    2901 2902 2903 291 2920 2921 2922 2923 2924 2925 2926 2927 2928 2929 2931 2932 2933 2934 2935 2936
    294 2940 2942 2945 2946 2948 2952 2953 2954 2962 2963 2964 2966 297 2972 298 2982 2983 299 3327 3329
    336 3382 3385 3387 3388 3400 3401 3402 3404 3405 3406 3407 3408 3409 341 342 343 3435 3436 3437 3438
    3442 3444 3445 3446 3447 345 3454 3455 3456 3458 3460 3462 3463 3464 3465 3466 3467 3468 3469 3471
    3472 3476 348 3482 3483 3487 3489 3491 3492 3493 3496 3497 3498 351 3521 3522 3524 3525 353 3532
    3533 3537 3541 3542 3543 3544 3546 3547 3548 3549 3562 3563 3564 3571 3572 3573 3574 3575 3576 358
    3582 3583 3584 3585 362 364 370 3711 3715 3716 3718 3721 3725 3731 3734 3735 3741 3743 3751 3754
    3755 3756 3757 3758 376 3772 3773 3774 3775 3777 3781 3782 3786 379 380 381 3821 3825 3826 3827 383
    3832 3835 3837 3838 3841 3843 3844 3845 3846 385 3854 3855 3856 3857 3858 3861 3862 3863 3865 3867
    3868 3869 387 3873 3876 3877 3878 388 3885 3886 3887 3888 3891 3892 3894
    """,
    )
)


@dataclass(frozen=True)
class PhoneProblem:
    """Why a written number is not one that can be sent to.

    Attributes:
        reason: a slug of `reasons.REASONS`.
        facts: what its sentence says.
    """

    reason: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The guide's result code for it: -7, -8, -9, -10 or -12."""
        return reasons.code(self.reason) or -8

    @property
    def detail(self) -> str:
        """One sentence for the owner of the list."""
        return reasons.say(self.reason, self.facts)


@dataclass(frozen=True)
class NumberPlan:
    """How long a country's national numbers are and what people write before them."""

    name: str
    calling_code: str
    digits: int
    trunk: str  # a regular expression for what people write between the calling code and the national number


PLANS = {
    "AR": NumberPlan("Argentina", "54", 10, "9?0?"),
    "GT": NumberPlan("Guatemala", "502", 8, ""),
    "MX": NumberPlan("Mexico", "52", 10, "(?:1|01|044|045)?"),
    "PE": NumberPlan("Peru", "51", 9, "0?"),
    "UY": NumberPlan("Uruguay", "598", 8, "0?"),
}

_PREFIXED = {
    country: re.compile(rf"(?:{plan.calling_code})?{plan.trunk}([1-9][0-9]{{{plan.digits - 1}}})")
    for country, plan in PLANS.items()
}
_ARGENTINE_CORE = re.compile(r"(?:0?54)?9?0?([123][0-9]*)")
_SERVICE = re.compile(r"(?:54)?0?(8(?:00|10|22)|6[01][0-9])[0-9]{6,8}")

_SCIENTIFIC = re.compile(r"([0-9])(?:[.,]([0-9]+))?[eE](\+?)([0-9]{1,2})")
_SPREADSHEET_FLOAT = re.compile(r"(\+?[0-9]{7,})[.,]0{1,2}")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){2,}(?:\.0+)?")
_WRITTEN = re.compile(r"[ ()\-]*+(\+?)([0-9 ().\-/]+)")
LONGEST = 100
"""Characters of a written number; every longer cell holds something else."""
_EXACT_WITHOUT_SIGN = 8  # with so many digits, a float without a + left out only trailing zeros

_LABEL = (
    r"(?:telefonos?|tel|te|celulares|celular|cel|moviles|movil|mobile|mob|phone|fono"
    r"|whats ?app|wsap|wasap|wapp|wpp|wsp|wa|numero|nro|n[o°])"
)
_LABELS_BEFORE = re.compile(rf"(?:{_LABEL}(?![a-z])[ .:°()/\-]{{0,5}}){{1,3}}", re.IGNORECASE)
_LABEL_BEHIND = re.compile(rf"[ ,;:(\-]{{0,4}}(?<![a-z]){_LABEL}[ .:)]{{0,4}}$", re.IGNORECASE)
_LINK = re.compile(
    r"(?:https?://)?(?:www\.)?(?:wa\.me/|(?:api|web)\.whatsapp\.com/send/?\?phone=)(?:%2b|\+)?([0-9]{6,15})(?:[?&/#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_CHAT = re.compile(r"([0-9]{6,15})@(?:c\.us|s\.whatsapp\.net)", re.IGNORECASE)
_BETWEEN_NUMBERS = re.compile(r"[/,;|\n\r\t]| - | (?:y|e|o|u|and|or) ", re.IGNORECASE)
_GAP = re.compile(r"[ \-]{1,5}")
_LEAST_DIGITS = 6  # what has fewer is no number of its own


def normalise(
    raw: str, country: str = "AR", *, area: str | None = None, first_number: bool = False
) -> str | PhoneProblem:
    """Return the national number written in `raw`: 10 digits for AR and MX, 9 for PE, 8 for GT and UY.

    Understands what people and spreadsheets write: calling code, trunk 0, the mobile 9 and 15 of Argentina, blanks,
    brackets, dots, dashes, `1144445555.0`, `1.144445555E9`, `Tel. 11 4444-5555`, `https://wa.me/5491144445555`. A
    number that can be read in no way, or in more than one, is a `PhoneProblem`; nothing is guessed. `area` is the area
    code that local numbers of Argentina belong to. With `first_number`, the first good one of several numbers is it.
    Raises KeyError for a country that the provider does not serve. Guide: "Envío de mensajes vía http", TOS.
    """
    plan = PLANS[country]
    text = raw.strip()
    if len(text) > LONGEST:
        facts = {"written": f"{text[:40]}...", "length": len(text), "digits": plan.digits, "country": plan.name}
        return PhoneProblem("number_too_long", facts)
    text = _without_labels(_visible(text))
    if not text:
        return PhoneProblem("number_empty", {"digits": plan.digits})
    found = _one_number(text, country, area)
    if isinstance(found, str):
        return found
    several = several_numbers(text, country, area)
    good = [number for number in several if isinstance(number, str)]
    if not good:
        return found
    if first_number or (len(good) == len(several) and len(set(good)) == 1):
        return good[0]
    return PhoneProblem("number_two", {"written": text[:60]})


def several_numbers(text: str, country: str, area: str | None = None) -> list[str | PhoneProblem]:
    """Read each of the numbers in a text that holds more than one; empty when it does not."""
    parts = [part.strip() for part in _BETWEEN_NUMBERS.split(text)]
    parts = [part for part in parts if sum(char.isdigit() for char in part) >= _LEAST_DIGITS]
    if len(parts) > 1:
        return [_one_number(_without_labels(part), country, area) for part in parts]
    for gap in _GAP.finditer(text):
        pair = [_one_number(part, country, area) for part in (text[: gap.start()], text[gap.end() :])]
        if all(isinstance(number, str) for number in pair):
            return pair
    return []


def _one_number(text: str, country: str, area: str | None) -> str | PhoneProblem:
    plan = PLANS[country]
    number = _from_spreadsheet(text)
    if isinstance(number, PhoneProblem):
        return number
    written = _WRITTEN.fullmatch(number)
    if written is None:
        return _bad_characters(text)
    digits = re.sub(r"[^0-9]", "", written[2])
    if not digits:
        return _bad_characters(text)
    if written[1] or digits.startswith("00"):
        digits = digits if written[1] else digits[2:]
        if not digits.startswith(plan.calling_code):
            return PhoneProblem("number_foreign", {"written": text, "country": plan.name})
    return _argentine(digits, area) if country == "AR" else _prefixed(digits, country)


def _visible(raw: str) -> str:
    """Replace look-alike digits and dashes, and drop invisible characters: NBSP, zero-width blanks, text marks."""
    text = raw
    if not raw.isascii():
        text = unicodedata.normalize("NFKC", raw)
        text = "".join(
            "-" if kind == "Pd" or char == "−" else "" if kind == "Cf" else " " if kind == "Zs" else char
            for char in text
            if (kind := unicodedata.category(char))
        )
    return text.strip().removeprefix("'").strip()


def _without_labels(text: str) -> str:
    """Drop what people write around a number to say what it is: `Tel.`, `cel:`, `(WhatsApp)`, a link to a chat."""
    if not any(char.isalpha() for char in text):
        return text
    if found := _LINK.fullmatch(text) or _CHAT.fullmatch(text):
        return found[1]
    plain = "".join(part for part in unicodedata.normalize("NFD", text) if not unicodedata.combining(part))
    before = _LABELS_BEFORE.match(plain)
    plain = (plain[before.end() :] if before else _LABEL_BEHIND.sub("", plain)).strip()
    return plain if plain[:1] in ("", "+", "(") or plain[:1].isdigit() else text


def _from_spreadsheet(text: str) -> str | PhoneProblem:
    """Undo what a spreadsheet does to a long number; refuse one that has lost digits."""
    if found := _SPREADSHEET_FLOAT.fullmatch(text):
        return found[1]
    if _GROUPED.fullmatch(text):
        return text.partition(".")[0].replace(",", "")
    found = _SCIENTIFIC.fullmatch(text)
    if found is None:
        return text
    mantissa = found[1] + (found[2] or "").rstrip("0")
    exponent = int(found[4])
    whole = exponent + 1 == len(found[1] + (found[2] or ""))
    # `1.14444555E9` is how some languages print a number that ends in 0, with every digit; `1.14445E+09` comes from a
    # spreadsheet cell that was too narrow, and the missing digits are lost.
    exact = not found[3] and len(mantissa) >= _EXACT_WITHOUT_SIGN
    if exponent + 1 < len(mantissa) or not (whole or exact):
        return PhoneProblem("number_cut", {"written": text})
    return mantissa.ljust(exponent + 1, "0")


def _bad_characters(text: str) -> PhoneProblem:
    odd = [char for char in dict.fromkeys(text) if char not in "+0123456789 ().-/"]
    if not any(char.isdigit() for char in text):
        odd = []  # a word, such as TOTAL
    named = " ".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in odd[:10])
    return PhoneProblem("number_characters", {"written": text[:40], "characters": named})


def _argentine(digits: str, area: str | None) -> str | PhoneProblem:
    if area is not None and (local := _local(digits, area)):
        return area + local
    core_found = _ARGENTINE_CORE.fullmatch(digits)
    if _SERVICE.fullmatch(digits):
        return PhoneProblem("number_service", {"number": digits})
    if core_found is None or (len(digits) == 10 and digits[0] not in "123"):
        return _no_argentine_number(digits)
    core = core_found[1]
    if len(core) == 10:
        return core if _has_area(core) else _unknown_area(core)
    if len(core) == 12:
        readings = {core[:n] + core[n + 2 :] for n in (2, 3, 4) if core[:n] in AREA_CODES and core[n : n + 2] == "15"}
        if len(readings) == 1:
            return readings.pop()
        if readings:
            return PhoneProblem("number_ambiguous", {"number": digits, "readings": " or ".join(sorted(readings))})
    if len(core) == 9 and core.startswith("15"):
        return _unknown_area(core)
    return _wrong_length(core, "AR")


def _local(digits: str, area: str) -> str | None:
    """Return the digits of a number that is written without its area code, with or without the 15."""
    length = PLANS["AR"].digits - len(area)
    if len(digits) == length and digits[0] != "0" and not digits.startswith("15"):
        return digits
    bare = digits.removeprefix("0")
    return bare[2:] if bare.startswith("15") and len(bare) == length + 2 else None


def _has_area(core: str) -> bool:
    return core[:2] in AREA_CODES or core[:3] in AREA_CODES or core[:4] in AREA_CODES


def _unknown_area(core: str) -> PhoneProblem:
    return PhoneProblem("number_local" if core.startswith("15") else "number_area", {"number": core})


def _no_argentine_number(digits: str) -> PhoneProblem:
    bare = re.sub(r"^(?:0?54)?9?0?", "", digits) if len(digits) > 10 else digits.lstrip("0") or digits
    if len(bare) == 10:
        return PhoneProblem("number_prefix", {"number": bare})
    return _wrong_length(bare, "AR")


def _wrong_length(digits: str, country: str) -> PhoneProblem:
    plan = PLANS[country]
    how = "short" if len(digits) < plan.digits else "long"
    shown = digits if len(digits) <= 40 else digits[:40] + "..."
    facts = {"number": shown, "length": len(digits), "digits": plan.digits, "country": plan.name}
    return PhoneProblem(f"number_too_{how}", facts)


def _prefixed(digits: str, country: str) -> str | PhoneProblem:
    plan = PLANS[country]
    if len(digits) == plan.digits and digits[0] != "0":
        return digits
    found = _PREFIXED[country].fullmatch(digits)
    if found:
        return found[1]
    return _wrong_length(digits.lstrip("0"), country)
