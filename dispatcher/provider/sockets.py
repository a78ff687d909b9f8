"""Sockets that obey a total deadline, and how they are opened.

A plain socket timeout starts again at every read, so a peer that sends one byte a second never trips it. Here every
operation gets what is left of the call's whole budget.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Any

from dispatcher.provider.deadline import Deadline

Address = tuple[Any, ...]
AddressInfo = tuple[int, int, int, str, Address]

_SOCKET_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))


class DeadlineSocket(socket.socket):
    """A TCP socket whose sends and receives stop when `deadline` ends."""

    deadline: Deadline | None = None

    def _arm(self) -> None:
        if self.deadline is not None:
            self.settimeout(self.deadline.require())

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        """Receive within what is left."""
        self._arm()
        return super().recv(*args, **kwargs)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Receive within what is left; buffered readers made by `makefile` come through here."""
        self._arm()
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        """Send within what is left."""
        self._arm()
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        """Send everything within what is left: the timeout of a plain `sendall` is a total already."""
        self._arm()
        super().sendall(*args, **kwargs)


class DeadlineTLSSocket(DeadlineSocket, ssl.SSLSocket):
    """The same over TLS; there `sendall` is a loop over `send`, so each turn gets what is left."""


def resolve(host: str, port: int, deadline: Deadline) -> Sequence[AddressInfo]:
    """The addresses of `host`.

    `socket.gaierror` when it has none, `TimeoutError` when the resolver does not answer in time. The system's
    resolver cannot be interrupted, so a name is looked up in a thread of its own that may be left behind.
    """
    if _is_literal(host):
        return _getaddrinfo(host, port)
    answers: queue.SimpleQueue[Sequence[AddressInfo] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(_getaddrinfo(host, port))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.require())
    except queue.Empty:
        raise TimeoutError("the resolver did not answer in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def open_socket(host: str, port: int, deadline: Deadline) -> DeadlineSocket:
    """A connected socket to the first address of `host` that takes one.

    Each address gets an equal share of what is left, so that one that swallows packets leaves time for the
    next. Raises the last address's `OSError`; `socket.gaierror` and `TimeoutError` as `resolve`.
    """
    addresses = resolve(host, port, deadline)
    last: OSError = OSError("the name has no address")
    for at, (family, kind, protocol, _, address) in enumerate(addresses):
        share = deadline.require() / (len(addresses) - at)
        try:
            sock = DeadlineSocket(family, kind, protocol)
        except OSError as error:  # an address family that this machine lacks
            last = error
            continue
        try:
            for level, name, value in _SOCKET_OPTIONS:
                sock.setsockopt(level, name, value)
            sock.settimeout(share)
            sock.connect(address)
        except OSError as error:
            sock.close()
            last = error
            continue
        except BaseException:
            sock.close()
            raise
        return sock
    raise last


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return False


def _getaddrinfo(host: str, port: int) -> Sequence[AddressInfo]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that IDNA cannot spell
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
