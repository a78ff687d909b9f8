"""Whether a word can be Spanish, judged by its letters outside ASCII. Pure."""

from __future__ import annotations

BAD = -2.0
"""A word with this score or less was not written by a person."""

_SPANISH = frozenset("áéíóúñüÁÉÍÓÚÑÜ")
_FOREIGN = frozenset("àèìòùâêîôûäëïöãõçÀÈÌÒÙÂÊÎÔÛÄËÏÖÃÕÇåÅøØæÆœŒßšŠžŽ")
_ORDINALS = frozenset("ºª°")
_OPENING = frozenset("¿¡")
_PUNCTUATION = frozenset("‘’“”«»–—…•€™®©´")
_ELIDED = frozenset(("d", "l", "o", "c", "j", "m", "n", "s", "qu", "all", "dall", "dell"))
_NBSP = "\u00a0"


def likeness(word: str) -> float:
    """Return how Spanish `word` looks: above 0 when it does, BAD or less when nobody writes it so.

    Only characters outside ASCII count. Their neighbours matter: `JosÚ` has an accent of Spanish, in the wrong case.
    """
    scores = [_score(word, at) for at, char in enumerate(word) if ord(char) > 127]
    worst = min(scores, default=0)
    return worst if worst <= BAD else sum(scores)


def _score(word: str, at: int) -> float:
    char = word[at]
    before = word[at - 1] if at else ""
    after = word[at + 1] if at + 1 < len(word) else ""
    inside = before.isalpha() and after.isalpha()
    if char in _SPANISH or char in _FOREIGN:
        fits = _case(word, char, before, after)
        return fits if char in _SPANISH or fits <= 0 else 0.5
    if char in _ORDINALS:
        return -3 if after.isalpha() else 0.5
    if char in _OPENING:
        return -3 if before.isalpha() else 0.5
    if char == "’":
        return _apostrophe(word, at) if inside else 0
    if char == _NBSP:
        return 1.5 if inside else 0
    if char in _PUNCTUATION:
        return -3 if inside else 1
    if not char.isprintable() or "\u2500" <= char <= "\u259f":
        return -4
    return -3 if before.isalpha() or after.isalpha() else 0


def _case(word: str, char: str, before: str, after: str) -> float:
    """Score the case of a letter among its neighbours."""
    if not before.isalpha() and not after.isalpha():
        return 0
    if char.isupper():
        return -3 if before.islower() or (before.isupper() and after.islower()) else 3
    if before.islower() and after.isupper():
        return -2
    if before.isupper() and after.isupper():
        # PEñA: programs that know capitals of ASCII alone write so; but not in DíAngelo.
        return 1 if not any(letter.islower() for letter in word if letter.isascii()) else -2
    if before.isupper() and len(word) > 2 and not any(letter.islower() for letter in word if letter.isascii()):
        return 1
    return 3


def _apostrophe(word: str, at: int) -> float:
    """D’Angelo, O’Connor, Dell’Oro, Mike’s; not Garc’a."""
    if word[:at].casefold() in _ELIDED:
        return 3
    return 0.5 if word[at + 1].isupper() or word[at + 1 :].casefold() == "s" else -3
