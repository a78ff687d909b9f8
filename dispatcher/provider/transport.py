"""One HTTP exchange over `requests`, with a total deadline and proof of what left this machine.

`requests` sessions are not used: a session reads a redirect's whole body into memory, keeps cookies and looks at the
environment. An adapter does none of that.
"""

from __future__ import annotations

import os
import ssl
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool

from dispatcher.provider.call import Call
from dispatcher.provider.guarded_connection import POOLS, CallPool
from dispatcher.provider.sockets import DeadlineTLSSocket


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
        self.poolmanager.pool_classes_by_scheme = POOLS

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
        assert isinstance(pool, CallPool)
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
