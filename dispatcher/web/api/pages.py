"""Lists come in pages: `{"data": […], "next_cursor": …}`. A cursor is opaque, and stable while rows come (keyset).

It belongs to its list and its filters: with others it would skip rows without a word.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel

from dispatcher.web.api.problems import Problem

DEFAULT, MOST = 100, 1_000

T = TypeVar("T")
Row = TypeVar("Row")


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T]
    next_cursor: str | None
    """Send it as `cursor` to get the next page; null at the end."""


class PageOf:
    """What a caller asks of a list: how many, and after which row."""

    def __init__(self, limit: int, cursor: str | None, of: str) -> None:
        """Take the parameters, and what tells this list with its filters from others."""
        self.limit = limit
        self._cursor = cursor
        self._of = of

    def after(self, *kinds: type) -> tuple[Any, ...] | None:
        """The sort key of the last row that the caller has, with values of these types; None at the beginning.

        Raises:
            Problem: the cursor is not one of ours.
        """
        if self._cursor is None:
            return None
        try:
            values = json.loads(base64.urlsafe_b64decode(self._cursor.encode("ascii") + b"=="))
        except (ValueError, RecursionError):
            raise Problem("bad_cursor") from None
        if not isinstance(values, list) or values[:1] != [self._of]:
            raise Problem("bad_cursor")
        del values[0]
        fits = len(values) == len(kinds)
        if not fits or not all(type(value) is kind for value, kind in zip(values, kinds, strict=True)):
            raise Problem("bad_cursor")
        if any(isinstance(value, int) and abs(value) >= 2**63 for value in values):
            raise Problem("bad_cursor")
        if any(isinstance(value, str) and "\x00" in value for value in values):
            raise Problem("bad_cursor")
        return tuple(values)

    def page(
        self, rows: Sequence[Row], key: Callable[[Row], tuple[Any, ...]], show: Callable[[Row], Any]
    ) -> dict[str, Any]:
        """The page of `rows`, of which the caller asked the database for `limit` + 1."""
        taken = rows[: self.limit]
        more = len(rows) > self.limit
        return {
            "data": [show(row) for row in taken],
            "next_cursor": _cursor(self._of, *key(taken[-1])) if more else None,
        }


def _cursor(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _asked(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Rows of a page.")] = DEFAULT,
    cursor: Annotated[str | None, Query(max_length=1_000, description="`next_cursor` of the page before.")] = None,
) -> PageOf:
    filters = sorted(each for each in request.query_params.multi_items() if each[0] not in ("limit", "cursor"))
    of = hashlib.sha256(json.dumps([request.scope["path"], filters]).encode()).hexdigest()
    return PageOf(limit, cursor, of[:12])


PageWanted = Annotated[PageOf, Depends(_asked)]
"""Parameter of a route that answers with a page."""
