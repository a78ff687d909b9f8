"""What a person should know of a list beside its invalid rows, counted: a slug with its facts."""

from __future__ import annotations

from typing import Any, NamedTuple


class Remark(NamedTuple):
    """Something worth saying of a list. The number of rows that it holds for is counted beside it.

    Attributes:
        slug: a key of `reasons.REMARKS`.
        facts: what its sentence says, as pairs, so that equal remarks count together.
    """

    slug: str
    facts: tuple[tuple[str, Any], ...] = ()
