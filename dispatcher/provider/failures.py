"""What a failed exchange proves about the bytes that were to be posted.

Only a failure that comes before the connection stands proves that nothing was taken, and only because nothing
below this retries. Everything else is in doubt.
"""

from __future__ import annotations

import errno
import http.client

import requests
import urllib3.exceptions as u3

from dispatcher.errors import AnswerError, InDoubt, NotDelivered, ProviderError
from dispatcher.provider.transport import Call

CONNECT_HINT = "Check the network and DISPATCHER_PROVIDER_URL."


def post_failure(error: Exception, call: Call) -> ProviderError:
    """The error for a bulk post that ended in `error`: `NotDelivered` when that is proven, else `InDoubt`."""
    chain = _chain(error)
    reason = _reason(chain, call)
    if call.began is None and _never_connected(error):
        return NotDelivered(reason=reason, hint=CONNECT_HINT)
    return InDoubt(f"{_sentence(InDoubt)} ({_names(chain)})", reason=reason)


def question_failure(error: Exception, call: Call) -> AnswerError:
    """The error for a question that ended in `error`."""
    chain = _chain(error)
    hint = CONNECT_HINT if call.began is None else None
    return AnswerError(f"{_sentence(AnswerError)} ({_names(chain)})", reason=_reason(chain, call), hint=hint)


def _never_connected(error: Exception) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    if not isinstance(error, requests.ConnectionError):
        return False
    exhausted = error.args[0] if error.args else None
    cause = exhausted.reason if isinstance(exhausted, u3.MaxRetryError) else None
    if isinstance(error, requests.exceptions.ProxyError):
        return isinstance(cause, u3.ProxyError) and isinstance(cause.original_error, u3.NewConnectionError)
    return isinstance(cause, u3.NewConnectionError)  # NameResolutionError is one of them


def _chain(error: BaseException) -> list[BaseException]:
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


def _reason(chain: list[BaseException], call: Call) -> str:
    if call.began is None:
        return _connect_reason(chain)
    if call.deadline.remaining() <= 0 or _any(chain, TimeoutError, u3.ReadTimeoutError):
        return "read_timeout"
    if _any(chain, u3.SSLError):
        return "tls"
    if _any(chain, http.client.RemoteDisconnected):
        return "closed"
    if _any(chain, ConnectionResetError, BrokenPipeError, ConnectionAbortedError):
        return "reset"
    if _any(chain, http.client.IncompleteRead, u3.IncompleteRead, u3.InvalidChunkLength):
        return "cut"
    if _any(chain, http.client.HTTPException, u3.InvalidHeader):
        return "garbage"
    return "unknown"


def _connect_reason(chain: list[BaseException]) -> str:
    if _any(chain, u3.NameResolutionError):
        return "unresolved"
    if _any(chain, requests.exceptions.ProxyError):
        return "proxy"
    if _any(chain, u3.SSLError):
        return "tls"
    if _any(chain, ConnectionRefusedError):
        return "refused"
    if _any(chain, u3.NewConnectionError):
        return "unreachable"
    if _any(chain, requests.ConnectTimeout):
        return "connect_timeout"
    if _any(chain, TimeoutError, u3.ReadTimeoutError):
        return "read_timeout"
    return "reset" if any(getattr(e, "errno", None) == errno.ECONNRESET for e in chain) else "unknown"


def _any(chain: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(error, kinds) for error in chain)


def _names(chain: list[BaseException]) -> str:
    # Names only: a library's message may quote the request.
    return " < ".join(dict.fromkeys(type(error).__name__ for error in chain))


def _sentence(kind: type[ProviderError]) -> str:
    return kind().args[0].rstrip(".") if kind().args else kind.__name__
