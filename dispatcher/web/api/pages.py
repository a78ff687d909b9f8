"""Lists come in pages: `{"data": […], "next_cursor": …}`. A cursor is opaque, and stable while rows come (keyset)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
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

    def __init__(self, limit: int, cursor: str | None) -> None:
        """Take the parameters."""
        self.limit = limit
        self._cursor = cursor

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
        fits = isinstance(values, list) and len(values) == len(kinds)
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
        return {"data": [show(row) for row in taken], "next_cursor": _cursor(key(taken[-1])) if more else None}


def _cursor(key: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def _asked(
    limit: Annotated[int, Query(ge=1, le=MOST, description="Rows of a page.")] = DEFAULT,
    cursor: Annotated[str | None, Query(max_length=1_000, description="`next_cursor` of the page before.")] = None,
) -> PageOf:
    return PageOf(limit, cursor)


PageWanted = Annotated[PageOf, Depends(_asked)]
"""Parameter of a route that answers with a page."""
