"""JSON from a stranger: depth, items and the longest string are looked at before anything is built of it. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from dispatcher.i18n.words import worded

DEPTH, ITEMS, STRING = 8, 1_500_000, 600_000
"""What a campaign of 10,000 recipients with 20 fields each, or one with HTML content, stays far below."""

_TOO_DEEP = "The JSON is nested more than {depth} deep: send one object with a list of recipients."

# A string that never ends ends with the text, so that none of its quotes is tried again.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},:]', re.DOTALL)


class BadJson(Exception):
    """The body is not JSON that is taken here; the message says what to do."""


def parse(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        BadJson: it is none, is nested too deep, has too many items or too long a string, or says a name twice.
    """
    depth = 0
    for items, token in enumerate(_TOKEN.finditer(body)):
        first = body[token.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
        if depth > DEPTH:
            raise BadJson(
                worded(
                    "The JSON is nested more than {depth} deep: send one object with a list of recipients.", depth=DEPTH
                )
            )
        if items > ITEMS:
            raise BadJson(worded("The body has too many items: send a list of this length to POST /api/v1/uploads."))
        if token.end() - token.start() > STRING:
            raise BadJson(worded("A text in the body has more than {bytes} bytes.", bytes=STRING))
    try:
        return json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise BadJson(worded("The body is not JSON.")) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadJson(worded("{name} is there twice in one object: only one of them could count.", name=twice[:100]))
    return made
