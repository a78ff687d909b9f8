"""Texts and JSON that Postgres can hold."""

import json
from typing import Any


def storable(words: str) -> str:
    """The same text without NUL, and with a question mark for half a character."""
    return words.replace("\x00", " ").encode("utf-8", "replace").decode("utf-8")


def storable_json(value: Any) -> str:
    """JSON for a jsonb column, which cannot hold a NUL.

    Raises:
        ValueError: it holds NaN, an infinity or half a character, which the column cannot hold either.
    """
    written = json.dumps(value, default=str, allow_nan=False, ensure_ascii=False)
    written.encode()
    return written.replace("\\u0000", "\\u2400")
