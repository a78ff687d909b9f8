"""One call to an endpoint: a POST with a total deadline, to an address that was checked, and little read of the answer.

The addresses of a name are looked up once and checked, and the connection goes to one of them, not to the name again:
a name that changes in between reaches nothing else. Redirects are not followed, and no proxy is used.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.db.storable import storable
from dispatcher.provider.deadline import Deadline
from dispatcher.provider.sockets import DeadlineSocket, resolve
from dispatcher.webhooks.addresses import Network, Target, may_call

SECONDS = 10.0
"""For a whole call."""
CONNECT_SECONDS = 5.0
"""For the look-up of a name, and again for a connection."""
_READ = 4_096
KEPT = 500
"""Characters of an answer that are kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered."""

    status: int
    text: str
    retry_after: str | None


class CallFailed(Exception):
    """There is no answer; the words say why, without the address."""


def post(
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    *,
    context: ssl.SSLContext,
    allowed: Sequence[Network],
    seconds: float = SECONDS,
) -> Answer:
    """Call an endpoint once.

    Raises:
        CallFailed: no answer came in time, the certificate is wrong, or the address may not be called.
    """
    deadline = Deadline(seconds)
    sock = _connect(target, deadline, allowed)
    try:
        return _exchange(_secured(sock, target, context, deadline), target, headers, body)
    except ssl.SSLCertVerificationError as error:
        raise CallFailed(f"its certificate is not valid: {error.verify_message}") from None
    except TimeoutError:
        raise CallFailed(f"no answer within {seconds:.0f} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise CallFailed(f"the connection failed: {_words(error)}") from None
    finally:
        sock.close()


def _connect(target: Target, deadline: Deadline, allowed: Sequence[Network]) -> DeadlineSocket:
    found = _addresses(target, deadline)
    good = [each for each in found if may_call(str(each[4][0]), target.https, allowed)]
    if not good:
        raise CallFailed("its name has no address that may be called: only public ones, and over https")
    last = "none of its addresses answers"
    for family, kind, protocol, _, address in good:
        sock = DeadlineSocket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(min(CONNECT_SECONDS, max(deadline.remaining(), 0.001)) / len(good))
            sock.connect(address)
            if not may_call(str(sock.getpeername()[0]), target.https, allowed):
                raise CallFailed("the connection led to an address that may not be called")
        except OSError as error:
            sock.close()
            last = f"no connection: {_words(error)}"
            continue
        except BaseException:
            sock.close()
            raise
        sock.deadline = deadline
        return sock
    raise CallFailed(last)


def _addresses(target: Target, deadline: Deadline) -> Sequence[Any]:
    try:
        return resolve(target.host, target.port, Deadline(min(CONNECT_SECONDS, deadline.require())))
    except socket.gaierror:
        raise CallFailed("its name has no address") from None
    except TimeoutError:
        raise CallFailed("its name was not looked up in time") from None
    except OSError as error:
        raise CallFailed(f"its name cannot be looked up: {_words(error)}") from None


def _secured(sock: DeadlineSocket, target: Target, context: ssl.SSLContext, deadline: Deadline) -> DeadlineSocket:
    if not target.https:
        return sock
    # A handshake takes the timeout of the socket that it wraps as a total.
    sock.settimeout(max(deadline.remaining(), 0.001))
    wrapped: Any = context.wrap_socket(sock, server_hostname=target.host)
    wrapped.deadline = deadline
    secured: DeadlineSocket = wrapped
    return secured


def _exchange(sock: DeadlineSocket, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = sock
    try:
        connection.request("POST", target.path, body, {"Host": target.host_header, "Connection": "close", **headers})
        response = connection.getresponse()
        return Answer(response.status, _text(response), response.getheader("Retry-After"))
    finally:
        connection.close()


def _text(response: http.client.HTTPResponse) -> str:
    """The first characters of an answer; its status stands, whatever becomes of the rest."""
    try:
        read = response.read(_READ)
    except (OSError, http.client.HTTPException):
        read = b""
    return storable(read.decode("utf-8", "replace"))[:KEPT]


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__)[:200]
