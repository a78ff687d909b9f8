"""Nothing that a caller says is passed over: a misspelt filter would answer with all messages, or cancel a campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant

from dispatcher.i18n.words import worded
from dispatcher.web.api.problems import FieldError, Problem
from dispatcher.web.incoming import read_body

_A_BODY = 1_000
_SHOWN = 100


def names(dependant: Dependant) -> frozenset[str]:
    """The query parameters of a route and of what it depends on."""
    return frozenset(field.alias for each in _all(dependant) for field in each.query_params)


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _all(each)


def require_known(request: Request, known: frozenset[str]) -> None:
    """Refuse parameters that the route does not have, and one that is there twice.

    Raises:
        Problem: it names each of them, and those that there are.
    """
    given = Counter(name for name, _ in request.query_params.multi_items())
    errors = [
        FieldError(pointer=f"?{name[:_SHOWN]}", code="extra_forbidden", detail=_unknown(known))
        for name in given
        if name not in known
    ]
    errors += [
        FieldError(pointer=f"?{name}", code="repeated", detail=worded("This may be given once."))
        for name, times in given.items()
        if name in known and times > 1
    ]
    if errors:
        raise Problem("invalid_fields", errors=errors)


def _unknown(known: frozenset[str]) -> str:
    if not known:
        return worded("There is no such parameter: this call takes none.")
    return worded("There is no such parameter. There are: {names}.", names=", ".join(sorted(known)))


async def require_no_body(request: Request) -> None:
    """Refuse a body where none is read, but for an empty object.

    Raises:
        Problem: there is one.
    """
    if (await read_body(request, _A_BODY)).strip() not in (b"", b"{}"):
        raise Problem("bad_request", why=worded("This call takes no body: leave it out."))
