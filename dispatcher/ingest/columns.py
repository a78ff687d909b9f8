"""Which column a name means: the exact name first, then without regard to case, accents and blanks. Pure."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence

from dispatcher.errors import UsageError

NUMBER_COLUMNS = ("telefono", "celular", "destino", "phone", "tos")


def fold(name: str) -> str:
    """Return `name` normalised for comparison: no accents, one case, single blanks."""
    parts = unicodedata.normalize("NFKD", name[:1000])  # a run of accents takes quadratic time
    return " ".join("".join(part for part in parts if not unicodedata.combining(part)).casefold().split())


def find(name: str, columns: Sequence[str]) -> int | None:
    """Return the position of the column called `name`, or None.

    Raises UsageError when the name fits several columns; a repeated heading that nobody uses does not matter.
    """
    for matches in (
        [i for i, column in enumerate(columns) if column == name],
        [i for i, column in enumerate(columns) if fold(column) == fold(name)],
    ):
        if len(matches) > 1:
            raise UsageError(
                f"the file has {len(matches)} columns called {name!r}, in positions "
                f"{', '.join(str(i + 1) for i in matches)}",
                hint="give the columns different headings",
            )
        if matches:
            return matches[0]
    return None


def require(name: str, columns: Sequence[str], asked_by: str) -> int:
    """Return the position of the column called `name`; UsageError, with the nearest heading, if there is none."""
    position = find(name, columns)
    if position is None:
        raise UsageError(
            f"{asked_by} names the column {name!r}, which the file does not have; it has {listed(columns)}",
            hint=_nearest(name, columns),
        )
    return position


def number_column(columns: Sequence[str], asked: str | None) -> int:
    """Return the position of the number's column: the one asked for, else the first of NUMBER_COLUMNS."""
    if asked is not None:
        return require(asked, columns, "the number's column")
    for name in NUMBER_COLUMNS:
        if (position := find(name, columns)) is not None:
            return position
    raise UsageError(
        f"no column holds the number: none is called {', '.join(NUMBER_COLUMNS)}; the file has {listed(columns)}",
        hint="name the number's column with --to-column (to_column); the first line of the file must be its headings",
    )


def listed(columns: Sequence[str]) -> str:
    """Return the headings for a sentence, at most 30 of them."""
    names = [repr(column[:40]) for column in columns[:30]]
    more = f" and {len(columns) - 30} more" if len(columns) > 30 else ""
    return ", ".join(names) + more if names else "no columns"


def _nearest(name: str, columns: Sequence[str]) -> str:
    by_fold = {fold(column): column for column in columns}
    near = difflib.get_close_matches(fold(name), list(by_fold), n=1)
    return f"did you mean {by_fold[near[0]]!r}?" if near else "use one of the columns of the file"
