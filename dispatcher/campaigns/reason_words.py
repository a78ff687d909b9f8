"""Why a campaign paused or was cancelled, and who did something, as a person reads it.

They are stored in English: sentences of ours are known again and said in the reader's language, other people's words
stay as they are.
"""

from __future__ import annotations

import re

from dispatcher.i18n.words import counted, current, translated, worded

_BY = re.compile(r"(paused|cancelled) by ((?:user|key|system) .+)")
_REJECTED = re.compile(
    r"(?:canary|rejected messages): (\d+) of (\d+) messages were rejected \(([\d.]+)%\); the limit is ([\d.]+)%"
    r"(?: in the last (\d+) chunks?)?"
)
_CANARY = {
    "canary: none of its messages has a result, so it proves nothing": (
        "None of the first messages has a result, so they prove nothing"
    ),
    "canary: none of it was sent, because every number is opted out or on the do-not-send list, so it proves nothing": (
        "None of the first messages was sent, since all of their numbers get nothing, so they prove nothing"
    ),
}


def who(written: str | None) -> str:
    """The one who did something: a user by name, a key and a part of the system as what they are."""
    kind, _, name = (written or "").partition(" ")
    if kind == "user" and name:
        return name
    known = {"key": translated("API key {name}"), "system": translated("by itself ({name})")}
    return known[kind].format(name=name) if kind in known and name else written or ""


def why(written: str | None) -> str:
    """A reason, without the full stop at its end."""
    text = (written or "").strip()
    if text in _CANARY:
        return translated(_CANARY[text])
    if found := _BY.fullmatch(text):
        by = {"paused": translated("paused by {who}"), "cancelled": translated("cancelled by {who}")}
        return by[found[1]].format(who=who(found[2]))
    if found := _REJECTED.fullmatch(text):
        bad, results, share, limit = (_number(float(found[n])) for n in (1, 2, 3, 4))
        said = worded(
            "{bad} of {results} messages were rejected ({share} %); the limit is {limit} %",
            bad=bad,
            results=results,
            share=share,
            limit=limit,
        )
        return f"{said} {_in_the_last(int(found[5]))}" if found[5] else said
    return text


def _number(value: float) -> str:
    written = f"{value:,.0f}" if value.is_integer() else f"{value:,.1f}"
    return written.translate(str.maketrans(",.", ".,")) if current() == "es" else written


def _in_the_last(chunks: int) -> str:
    return counted(chunks, "in the last block", "in the last {n:,} blocks")
