"""What a failed exchange proves about the bytes that were to be posted.

Only a failure that comes before the connection is ready proves that nothing was taken, and only because nothing below
this retries. Everything else is in doubt.
"""

from __future__ import annotations

import http.client
from collections.abc import Sequence

import requests
import urllib3.exceptions as u3

from dispatcher.errors import AnswerError, InDoubt, NotDelivered, ProviderError
from dispatcher.provider.call import Call

CONNECT_HINT = "Check the network and DISPATCHER_PROVIDER_URL."

Kinds = type[BaseException] | tuple[type[BaseException], ...]
Reasons = Sequence[tuple[Kinds, str]]
"""Which reason the presence of an error gives; the first that is present wins."""

_CONNECTING: Reasons = (
    (u3.NameResolutionError, "unresolved"),
    (u3.SSLError, "tls"),
    (ConnectionRefusedError, "refused"),
    (u3.NewConnectionError, "unreachable"),
    (requests.ConnectTimeout, "connect_timeout"),
    ((TimeoutError, u3.ReadTimeoutError), "read_timeout"),
    (ConnectionResetError, "reset"),
)
_UNDER_WAY: Reasons = (
    (u3.SSLError, "tls"),
    (http.client.RemoteDisconnected, "closed"),
    ((ConnectionResetError, BrokenPipeError, ConnectionAbortedError), "reset"),
    ((http.client.IncompleteRead, u3.IncompleteRead, u3.InvalidChunkLength), "cut"),
    ((http.client.HTTPException, u3.InvalidHeader), "garbage"),
)


def post_failure(error: Exception, call: Call) -> ProviderError:
    """The error for a bulk post that ended in `error`: `NotDelivered` when that is proven, else `InDoubt`."""
    chain = chain_of(error)
    reason = reason_of(chain, call, _CONNECTING, _UNDER_WAY)
    if call.began is None and _never_connected(error):
        return NotDelivered(reason=reason, hint=CONNECT_HINT)
    return InDoubt(f"{_sentence(InDoubt)} ({_names(chain)})", reason=reason)


def question_failure(error: Exception, call: Call) -> AnswerError:
    """The error for a question that ended in `error`."""
    chain = chain_of(error)
    reason = reason_of(chain, call, _CONNECTING, _UNDER_WAY)
    hint = CONNECT_HINT if call.began is None else None
    return AnswerError(f"{_sentence(AnswerError)} ({_names(chain)})", reason=reason, hint=hint)


def chain_of(error: BaseException) -> list[BaseException]:
    """`error` and everything it wraps, outermost first: in `args`, `reason` and `__cause__`/`__context__`."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop(0)
        if not isinstance(item, BaseException) or item in found:
            continue
        found.append(item)
        waiting += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
    return found


def reason_of(chain: list[BaseException], call: Call, connecting: Reasons, under_way: Reasons) -> str:
    """The slug for what ended a call: one of `connecting` before its first byte, one of `under_way` after that."""
    if call.began is None:
        return _first(chain, connecting)
    if call.deadline.remaining() <= 0 or _any(chain, (TimeoutError, u3.ReadTimeoutError)):
        return "read_timeout"
    return _first(chain, under_way)


def _first(chain: list[BaseException], reasons: Reasons) -> str:
    return next((reason for kinds, reason in reasons if _any(chain, kinds)), "unknown")


def _any(chain: list[BaseException], kinds: Kinds) -> bool:
    return any(isinstance(error, kinds) for error in chain)


def _never_connected(error: Exception) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    if not isinstance(error, requests.ConnectionError):
        return False
    exhausted = error.args[0] if error.args else None
    # NameResolutionError is one of them.
    return isinstance(exhausted, u3.MaxRetryError) and isinstance(exhausted.reason, u3.NewConnectionError)


def _names(chain: list[BaseException]) -> str:
    # Names only: a library's message may quote the request.
    return " < ".join(dict.fromkeys(type(error).__name__ for error in chain))


def _sentence(kind: type[ProviderError]) -> str:
    return str(kind().args[0]).rstrip(".")
