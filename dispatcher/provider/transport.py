"""One HTTP exchange over `requests`, with a total deadline and proof of what left this machine.

`requests` sessions are left out on purpose: a session reads a redirect's whole body into memory, keeps
cookies and looks at the environment. An adapter does none of that.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from dispatcher.errors import NotDelivered
from dispatcher.provider.deadline import Deadline, now
from dispatcher.provider.sockets import DeadlineTLSSocket, open_socket

CONNECT_LIMIT = 10.0
"""Seconds that looking up the name and connecting may take, and never more than half of the call's total.

What is spent on connecting is missing when the answer is due, and a late answer is in doubt.
"""


@dataclass(slots=True)
class Call:
    """One exchange: its budget, the check before its first byte, and what is known of its progress.

    `began` is the moment (`deadline.now()`) right before the first byte of the request was handed to the
    system, None while nothing can have left. `sent` is True once the whole request was handed over.
    `stopped` is what ended the call on our side before its first byte.
    """

    timeout: float
    guard: Callable[[], None] | None = None
    deadline: Deadline = field(init=False)
    began: float | None = None
    sent: bool = False
    stopped: BaseException | None = None

    def __post_init__(self) -> None:
        """Start the clock."""
        self.deadline = Deadline(self.timeout)

    def check(self) -> None:
        """Run the guard right before the first byte; `_Stopped` when it, or the deadline, says no."""
        try:
            if self.guard is not None:
                self.guard()
            if self.deadline.remaining() <= 0:
                raise NotDelivered("The time for the call was over before its first byte left.", reason="deadline")
        except BaseException as error:
            self.stopped = error
            raise Stopped from error
        self.began = now()


class Stopped(BaseException):
    """Carries a stop through `requests`, past every `except Exception`; `Call.stopped` has the cause."""


class _Connection(HTTPConnection):
    call: Call

    def _new_conn(self) -> Any:
        limit = Deadline(min(CONNECT_LIMIT, self.call.timeout / 2, max(self.call.deadline.remaining(), 0.0)))
        try:
            sock = open_socket(self._dns_host, self.port or self.default_port, limit)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out: {error}") from error
        except OSError as error:
            if _is_name_error(error):
                raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error
        sock.deadline = self.call.deadline
        # A TLS handshake reads the timeout of the socket that it wraps, and takes it as a total.
        sock.settimeout(max(self.call.deadline.remaining(), 0.001))
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        self.call.sent = True

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self.call.began is None:
            sock: Any = self.sock
            sock.deadline = self.call.deadline
            self.call.check()
        super().send(data)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _CallPool(HTTPConnectionPool):
    """A pool whose connections belong to the call that takes them; a `fresh` one never keeps any."""

    ConnectionCls = _Connection
    call: Call
    fresh: bool

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)
        conn.call = self.call  # type: ignore[attr-defined]
        return conn

    def _put_conn(self, conn: Any) -> None:
        if self.fresh and conn is not None:
            conn.close()
            conn = None
        super()._put_conn(conn)


class _TLSCallPool(_CallPool, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Adapter(HTTPAdapter):
    """A `requests` adapter for one thread of one process; `fresh` opens a connection for every call."""

    def __init__(self, *, fresh: bool, context: ssl.SSLContext | None) -> None:
        """Use `context` for https, and never retry."""
        self._fresh = fresh
        self._context = context
        self._call: Call | None = None
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make connections that know their call."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _CallPool, "https": _TLSCallPool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Use our TLS context, whose CA file is read once, in place of the settings of `requests`."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {} if self._context is None else {"ssl_context": self._context}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing: the context verifies."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        """Hand the pool the call in progress."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        assert isinstance(pool, _CallPool)
        assert self._call is not None
        pool.call, pool.fresh = self._call, self._fresh
        return pool

    def exchange(self, request: requests.PreparedRequest, call: Call) -> requests.Response:
        """Send `request` once and return when the answer's headers are there, its body still unread.

        Raises what `requests` raises; `Stopped` when the guard or the deadline ended it before its
        first byte.
        """
        self._call = call
        try:
            # The sockets keep the total; this bounds whatever might not go through them.
            return self.send(request, stream=True, timeout=call.timeout, verify=True)
        finally:
            self._call = None


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """A verifying context for a CA file or folder, certifi's when None; `OSError` when it cannot be read."""
    where = ca_bundle or certifi.where()
    by_folder = os.path.isdir(where)
    context = ssl.create_default_context(cafile=None if by_folder else where, capath=where if by_folder else None)
    context.sslsocket_class = DeadlineTLSSocket
    return context


def _is_name_error(error: OSError) -> bool:
    return isinstance(error, socket.gaierror)
