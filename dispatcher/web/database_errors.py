"""What a caller is told when the database fails: whether the same may succeed later, never what the driver said."""

import logging
from typing import NamedTuple

from fastapi.responses import JSONResponse

from dispatcher.db.errors import DatabaseRefused, DatabaseRefusedValue, translate

log = logging.getLogger(__name__)

RETRY_AFTER = 5
"""Seconds after which a caller may try again: a server that restarts is back by then, as a rule."""

REFUSED_RETRY_AFTER = 60
"""Seconds after which it is worth trying again where somebody must set the database right first."""

_LATER = "The database does not answer just now: send the same again."
_NEVER = "The database cannot hold a value that was sent, such as a text with a NUL: change it."
_REFUSED = "The database refuses the dispatcher; whoever runs it must set that right (`dispatcher doctor`)."


class Verdict(NamedTuple):
    """Words for the caller, with the status and headers that programs go by."""

    words: str
    status: int
    headers: dict[str, str] | None


def verdict(error: Exception, later: str = _LATER) -> Verdict:
    """What an error of a driver means: 503 with Retry-After (`later` if it is away), 422 for a value that was sent."""
    failure = translate(error)
    log.error("database_failed kind=%s sqlstate=%s", type(failure).__name__, failure.sqlstate)
    if isinstance(failure, DatabaseRefusedValue):
        return Verdict(_NEVER, 422, None)
    if isinstance(failure, DatabaseRefused):
        return Verdict(_REFUSED, 503, {"Retry-After": str(REFUSED_RETRY_AFTER)})
    return Verdict(later, 503, {"Retry-After": str(RETRY_AFTER)})


def failed(error: Exception, later: str = _LATER) -> JSONResponse:
    """The same as an answer."""
    words, status, headers = verdict(error, later)
    return JSONResponse({"error": words}, status, headers)
