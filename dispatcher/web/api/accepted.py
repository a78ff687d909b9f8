"""How much a caller likes something, as `Accept` and its relatives say."""

from __future__ import annotations

import re

_QUALITY = re.compile(r"(?:^|;)\s*q=(\d(?:\.\d{0,3})?)\s*(?:;|$)")


def quality(parameters: str) -> float:
    """The weight among the parameters of one part of the header: `q=0.5`; 1 when it is not said."""
    found = _QUALITY.search(parameters)
    return min(float(found[1]), 1.0) if found else 1.0
