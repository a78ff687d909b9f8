"""The provider's Web Service as zeep sees it, over our own wire: one deadline, one post, no redirects, no retries.

zeep writes the envelopes and reads them; what the WSDL at the configured URL offers is what is called, and calls go
to that URL whatever address the WSDL names (guide "Envío de mensajes vía Web Service").
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import zeep
import zeep.exceptions
from zeep.wsdl.bindings import Soap11Binding

from dispatcher.errors import AnswerError, UsageError
from dispatcher.i18n.words import worded
from dispatcher.provider import envelopes
from dispatcher.provider.answers import require_answer
from dispatcher.provider.call import Call
from dispatcher.provider.client import Client, checked_timeout, read_body
from dispatcher.provider.deadline import Deadline
from dispatcher.provider.exchange import ask
from dispatcher.provider.message import NotOffered

LARGEST_WSDL = 4 * 1024 * 1024
LARGEST_ANSWER = 16 * 1024 * 1024
URL_HINT = "Check DISPATCHER_SOAP_URL: https://host/ws/SMSMasivosAPI.asmx."
_ENVELOPE = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?<(?:[\w-]+:)?Envelope\b", re.ASCII)

# zeep claims to have types, but has none.
_ZEEP: Any = zeep.Client
_SOAP11: Any = Soap11Binding

Fields = Mapping[str, str | bool | None]


class NoEnvelope(Exception):
    """The answer is not SOAP: `args` are its HTTP status and its body."""


class Unreadable(Exception):
    """The answer is an envelope, but not of the form that the WSDL describes; `args[0]` is the envelope."""


class Answer(NamedTuple):
    """What the Web Service answered to a call."""

    result: Any
    envelope: bytes
    repaired: int  # characters that had to be replaced, since XML forbids them


class WebService:
    """One Web Service under one user. Nothing is asked before the first call; threads may share it."""

    def __init__(self, url: str, usuario: str, clave: str, *, timeout: float, ca_bundle: str | None) -> None:
        """Check the settings without connecting; `UsageError` when they cannot work."""
        checked_timeout(timeout)
        base, leaf = _split(url)
        self.url, self.usuario, self.clave, self.timeout = f"{base}/{leaf}", usuario, clave, timeout
        self.client = Client(base, ca_bundle)
        self._wire = _Wire(self.client, leaf, timeout)
        self._lock = threading.Lock()
        self._zeep: tuple[Any, Any] | None = None

    def ready(self, deadline: Deadline) -> None:
        """Read the WSDL within `deadline`, unless that was done; `AnswerError` when there is none to use."""
        with self._lock:
            if self._zeep is None:
                call = Call(max(deadline.remaining(), 0.001))
                self._zeep = ask(call, lambda: self._load(call), self.clave)

    def offered(self, operation: str) -> frozenset[str]:
        """The parameters that the WSDL has for an operation, in lower case."""
        binding, _ = self._loaded()
        return frozenset(name.lower() for name in _elements(binding.get(operation)))

    def call(self, operation: str, wanted: Fields, call: Call, *, fresh: bool, repair: bool = False) -> Answer:
        """The answer of one operation, by one POST.

        `wanted` are the parameters by the guide's names in lower case; those that are None or False may be missing in
        the WSDL, for another one `NotOffered` is raised. `UsageError` for a value that XML cannot write. With `repair`
        an answer with characters that XML forbids is read without them. Raises what the exchange raises, `NoEnvelope`,
        `zeep.exceptions.Fault`, and `Unreadable` for an envelope that says something else.
        """
        binding, service = self._loaded()
        arguments = _arguments(binding.get(operation), {**wanted, "usuario": self.usuario, "clave": self.clave})
        with self._wire.during(call, fresh=fresh, repair=repair) as exchange:
            try:
                return Answer(service[operation](**arguments), exchange.envelope, exchange.repaired)
            except (zeep.exceptions.ValidationError, ValueError, TypeError) as error:
                if exchange.posted:
                    raise
                raise UsageError(
                    worded("The message cannot be written for the Web Service: {error}", error=error)
                ) from None
            except zeep.exceptions.Fault:
                raise
            except zeep.exceptions.Error:
                raise Unreadable(exchange.envelope) from None

    def _loaded(self) -> tuple[Any, Any]:
        assert self._zeep is not None, "ready() comes first"
        return self._zeep

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        self.client.close()

    def _load(self, call: Call) -> tuple[Any, Any]:
        settings = zeep.Settings(forbid_external=True, forbid_dtd=True)
        try:
            with self._wire.during(call):
                client: Any = _ZEEP(f"{self.url}?WSDL", transport=self._wire, settings=settings)
            for name, binding in client.wsdl.bindings.items():
                if isinstance(binding, _SOAP11) and "EnviarSMS" in binding.all():
                    return binding, client.create_service(name, self.url)
        except (zeep.exceptions.Error, LookupError, TypeError, AttributeError) as error:
            raise _unusable(type(error).__name__) from None
        raise _unusable("no SOAP binding with EnviarSMS")


@dataclass
class _Exchange:
    """One call of a thread by way of zeep, and what came of it."""

    call: Call
    fresh: bool
    repair: bool
    posted: bool = False  # whether zeep came as far as giving us an envelope to post
    envelope: bytes = b""
    repaired: int = 0


class _Wire(zeep.Transport):
    """zeep's transport over `Client`: everything happens inside the deadline of the call at hand."""

    def __init__(self, client: Client, leaf: str, timeout: float) -> None:
        set_timeouts: Any = super().__init__
        set_timeouts(timeout=timeout, operation_timeout=timeout)
        self._client, self._leaf = client, leaf
        self._local = threading.local()

    @contextlib.contextmanager
    def during(self, call: Call, *, fresh: bool = False, repair: bool = False) -> Iterator[_Exchange]:
        """Use `call` for what this thread exchanges in the block."""
        self._local.exchange = _Exchange(call, fresh, repair)
        try:
            yield self._local.exchange
        finally:
            self._local.exchange = None

    def post(self, address: str, message: Any, headers: Any) -> requests.Response:
        """Post an envelope to the configured URL, whatever `address` the WSDL gave."""
        exchange: _Exchange = self._local.exchange
        exchange.posted = True
        response = self._client.exchange(self._leaf, message, exchange.call, fresh=exchange.fresh, headers=headers)
        body = read_body(response, LARGEST_ANSWER)
        if not _ENVELOPE.match(body):
            raise NoEnvelope(response.status_code, body)
        if exchange.repair:
            body, exchange.repaired = envelopes.repaired(body)
        exchange.envelope = response._content = body
        return response

    def load(self, url: str) -> bytes:
        """Get the WSDL; it may be in pieces, but only at its own address."""
        if url.partition("?")[0].partition("#")[0] != f"{self._client.base}/{self._leaf}":
            raise _unusable("it refers to another address")
        query = url.partition("?")[2]
        response = self._client.exchange(f"{self._leaf}?{query}", None, self._local.exchange.call)
        body = read_body(response, LARGEST_WSDL)
        if response.status_code != 200 or body.lstrip()[:1] != b"<":
            require_answer(response.status_code, body)
            raise _unusable("it is no XML")
        return body


def _split(url: str) -> tuple[str, str]:
    """The folder and the page of the Web Service's URL, with or without its `?WSDL`."""
    plain = re.sub(r"\?wsdl$", "", url.strip(), flags=re.IGNORECASE)
    base, _, leaf = plain.rpartition("/")
    if not leaf or "?" in plain or "#" in plain or not urlsplit(base).netloc:
        raise UsageError("The Web Service's URL must name its page.", hint=URL_HINT)
    return base, leaf


def _arguments(operation: Any, wanted: Fields) -> dict[str, str | bool]:
    """What of `wanted` the operation takes, by the WSDL's spelling; required flags that nobody wanted are off."""
    offered = _elements(operation)
    by_name = {name.lower(): name for name in offered}
    given = {name: value for name, value in wanted.items() if value is not None}
    missing = [name for name, value in given.items() if value is not False and name not in by_name]
    if missing:
        raise NotOffered(
            f"The Web Service takes no {', '.join(sorted(missing))}.", hint="Send this message over http instead."
        )
    arguments = {by_name[name]: value for name, value in given.items() if name in by_name}
    for name, element in offered.items():
        if name not in arguments and not element.is_optional:
            arguments[name] = False if isinstance(element.type, zeep.xsd.Boolean) else ""
    return arguments


def _elements(operation: Any) -> dict[str, Any]:
    return dict(operation.input.body.type.elements)


def _unusable(why: str) -> AnswerError:
    return AnswerError(
        worded("The Web Service's WSDL cannot be used: {why}.", why=why), reason="wsdl", retryable=False, hint=URL_HINT
    )
