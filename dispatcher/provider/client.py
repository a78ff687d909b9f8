"""Where calls go and which connections they use: one provider address, adapters per process and thread."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import requests

from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from dispatcher.provider.answers import CREDENTIALS_HINT
from dispatcher.provider.call import Call
from dispatcher.provider.transport import Adapter, tls_context

_HEADERS = {"User-Agent": "sms-dispatcher", "Accept": "*/*", "Accept-Encoding": "identity"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_READ = 64 * 1024


class TooLarge(Exception):
    """An answer was cut because it passed its limit; `args[0]` is the part that came."""


class Client:
    """Exchanges with one provider. Threads may share it and forks inherit it, but never its connections."""

    def __init__(self, base_url: str, ca_bundle: str | None = None) -> None:
        """Check the address and the CA bundle without connecting; `UsageError` when they cannot work."""
        self.base = _checked_base(base_url)
        self._context = tls_context_of(ca_bundle) if self.base.startswith("https:") else None
        self._local = threading.local()

    def exchange(
        self,
        path: str,
        body: bytes | None,
        call: Call,
        *,
        fresh: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send one request, a POST when there is a body, and return with the answer's body still unread.

        `fresh` opens a connection for this call alone. A body is a form, unless `headers` say something else. Raises
        what `Adapter.exchange` raises.
        """
        headers = dict(_HEADERS) if body is None else {**_HEADERS, **(headers or _FORM)}
        if fresh:
            headers["Connection"] = "close"
        method = "GET" if body is None else "POST"
        request = requests.Request(method, f"{self.base}/{path}", headers=headers, data=body).prepare()
        return self._adapter(fresh).exchange(request, call)

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        for adapter in self._adapters().values():
            adapter.close()
        self._adapters().clear()

    def _adapter(self, fresh: bool) -> Adapter:
        adapters = self._adapters()
        if fresh not in adapters:
            adapters[fresh] = Adapter(fresh=fresh, context=self._context)
        return adapters[fresh]

    def _adapters(self) -> dict[bool, Adapter]:
        # A fork copies the thread's adapters with their open sockets: two processes must not talk over one.
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.adapters = os.getpid(), {}
        adapters: dict[bool, Adapter] = self._local.adapters
        return adapters


@dataclass(frozen=True)
class Access:
    """How one account is reached: where, with which key, and how many seconds one call may take in total."""

    client: Client
    apikey: str = field(repr=False)
    timeout: float

    @classmethod
    def of(cls, base_url: str, apikey: str, *, timeout: float, ca_bundle: str | None) -> Self:
        """Check the settings without connecting; `UsageError` when they cannot work."""
        checked_timeout(timeout)
        if not apikey.isascii() or not apikey.isprintable():
            raise UsageError("The API key has characters that no API key has.", hint=CREDENTIALS_HINT)
        return cls(Client(base_url, ca_bundle), apikey, timeout)


def checked_timeout(timeout: float) -> float:
    """`timeout` itself; `UsageError` when nothing could be done in it."""
    if timeout <= 0:
        raise UsageError("The provider's timeout must be more than 0 seconds.")
    return timeout


def read_chunks(response: requests.Response, size: int = _READ) -> Generator[bytes]:
    """The body's bytes as they were sent; the connection is closed when this ends before the body does."""
    try:
        while chunk := response.raw.read(size, decode_content=False):
            yield chunk
    except BaseException:
        response.raw.close()
        raise
    response.raw.release_conn()


def read_body(response: requests.Response, cap: int) -> bytes:
    """The whole body; `TooLarge` when it has more than `cap` bytes, which are then left unread."""
    chunks = read_chunks(response)
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > cap:
            response.raw.close()
            raise TooLarge(bytes(body[:cap]))
    return bytes(body)


def is_framed(response: requests.Response) -> bool:
    """Whether a length or chunks prove that the body came whole."""
    headers = response.headers
    return "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()


def _checked_base(base_url: str) -> str:
    hint = "Give DISPATCHER_PROVIDER_URL as https://host or https://host/path."
    try:
        parts = urlsplit(base_url.strip())
        well_formed = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise UsageError("The provider's URL cannot be read.", hint=hint) from None
    if not well_formed or parts.query or parts.fragment:
        raise UsageError("The provider's URL must be http(s)://host with at most a port and a path.", hint=hint)
    if "@" in parts.netloc:
        raise UsageError("The provider's URL must not carry a user or password.", hint=hint)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def tls_context_of(ca_bundle: str | None) -> ssl.SSLContext:
    """A verifying context; `UsageError` for a CA bundle that cannot be used."""
    try:
        return tls_context(ca_bundle)
    except OSError as error:  # ssl.SSLError, for a file that is no certificate, is one too
        raise UsageError(
            worded(
                "The CA bundle {ca_bundle} cannot be used: {error}.", ca_bundle=ca_bundle, error=error.strerror or error
            ),
            hint="Give a PEM file or folder of CA certificates, or none to use the usual ones.",
        ) from None
