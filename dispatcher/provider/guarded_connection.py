"""urllib3 connections that ask a call's guard right before its first byte: the one use of urllib3's private parts.

Nothing public comes this late. A hook of requests, or a wrapper around `urlopen`, runs before the name is looked up and
the connection is made. That may take seconds, in which the lease can run out or the window can close. So these classes
replace what urllib3 calls on the way:

- `HTTPConnection._new_conn` opens the socket. Ours keeps the call's total deadline.
- `HTTPConnection.connect` returns once the connection is ready, TLS handshake included. It sends nothing of a request.
- `HTTPConnection.send` is what every byte of a request goes through, headers first. Ours asks the guard before them.
- `HTTPConnectionPool._get_conn` and `_put_conn` give connections out and take them back. Ours give them their call.
- `PoolManager.pool_classes_by_scheme` (set in `transport.py`) makes requests use our pools.

What a new urllib3 could break: if it renames `_new_conn`, sockets keep no total deadline. If it renames `_get_conn`,
connections do not know their call. If it sends by another way than `send`, the guard is not asked. The first two fail
at once; for the third `request` checks again afterwards, so that the post ends in doubt. The test
`tests/unit/provider/test_guarded_connection.py` fails before any of that.
"""

from __future__ import annotations

import socket
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from dispatcher.provider.call import Call
from dispatcher.provider.sockets import open_socket


class GuardedConnection(HTTPConnection):
    """A connection of one call at a time."""

    call: Call

    def _new_conn(self) -> Any:
        try:
            sock = open_socket(self._dns_host, self.port or self.default_port, self.call.connecting())
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out: {error}") from error
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error
        sock.deadline = self.call.deadline
        # A TLS handshake reads the timeout of the socket that it wraps, and takes it as a total.
        sock.settimeout(max(self.call.deadline.remaining(), 0.001))
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a whole request."""
        super().request(*args, **kwargs)
        if self.call.began is None:
            raise RuntimeError("urllib3 sent a request past `send`, so its guard was not asked")
        self.call.sent = True

    def send(self, data: Any) -> None:
        """Send bytes of a request; the guard is asked before the first."""
        if self.sock is None:
            self.connect()
        if self.call.began is None:
            sock: Any = self.sock
            sock.deadline = self.call.deadline
            self.call.check()
        super().send(data)


class GuardedTLSConnection(GuardedConnection, HTTPSConnection):
    """The same over TLS."""


class CallPool(HTTPConnectionPool):
    """A pool whose connections belong to the call that takes them; a `fresh` one never keeps any."""

    ConnectionCls = GuardedConnection
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


class TLSCallPool(CallPool, HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = GuardedTLSConnection


POOLS = {"http": CallPool, "https": TLSCallPool}
