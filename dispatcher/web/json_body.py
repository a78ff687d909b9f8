"""JSON from a stranger: depth, items and the longest string are looked at before anything is built of it. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

DEPTH, ITEMS, STRING = 8, 1_500_000, 600_000
"""What a campaign of 10,000 recipients with 20 fields each, or one with HTML content, stays far below."""

# A string that never ends ends with the text, so that none of its quotes is tried again.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},:]', re.DOTALL)


class BadJson(Exception):
    """The body is not JSON that is taken here; the message says what to do."""


def parse(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        BadJson: it is none, or is nested too deep, has too many items or too long a string.
    """
    depth = 0
    for items, token in enumerate(_TOKEN.finditer(body)):
        first = body[token.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
        if depth > DEPTH:
            raise BadJson(f"The JSON is nested more than {DEPTH} deep: send one object with a list of recipients.")
        if items > ITEMS:
            raise BadJson("The body has too many items: put the list into HOME/lists, name it in file.")
        if token.end() - token.start() > STRING:
            raise BadJson(f"A text in the body has more than {STRING} bytes.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadJson("The body is not JSON.") from None
