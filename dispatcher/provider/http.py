"""The provider over HTTP: bulk POSTs, status questions, the server's date and account info."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Self, TypeVar

from dispatcher.errors import AnswerError
from dispatcher.provider import answers, form
from dispatcher.provider.answers import ResultLine, StatusLines
from dispatcher.provider.call import Call, Stopped
from dispatcher.provider.client import Access, is_framed, read_body, read_chunks
from dispatcher.provider.deadline import now
from dispatcher.provider.exchange import ask, post_once, question_error
from dispatcher.provider.slices import line_slices

__all__ = ["HttpProvider", "ResultLine", "ServerDate", "StatusStream"]

BULK = "enviar_sms_bloque.asp"
STATUS = "obtener_respuestaapi_bloque.asp"
SERVER_DATE = "get_fecha.asp?iso=1"
SALDO = "obtener_saldo.asp"
ENVIOS = "obtener_envios.asp"
VENCIMIENTO = "obtener_vencimiento_paquete.asp"

LARGEST_QUERY = 2_000
"""Bytes of a query with which a bloque may go by GET.

The guide names no limit; the provider's kind of server takes 2,048 by default.
"""

SMALL_ANSWER = 64 * 1024
IDINTERNO_ANSWER = 1024 * 1024
SLICE = 1024 * 1024
STATUS_ANSWER = 512 * SLICE
"""Bytes of an answer by fecha: some six million results. The deadline stops for who reads it, so it must end itself."""

BulkMethod = Literal["post", "auto"]

T = TypeVar("T")


@dataclass(frozen=True)
class ServerDate:
    """The provider's clock: `fecha` in its local time (GMT-3, naive, whole seconds), after a moment.

    `asked_at` is in seconds of `dispatcher.provider.deadline.now()`, right before the question left.
    """

    fecha: datetime
    asked_at: float


class HttpProvider:
    """The provider's HTTP API for one account.

    Every call has a total deadline in seconds, which also holds against a peer that drips. No redirects, no
    proxies, no retries, nothing from the environment. May be shared by threads and inherited over a fork:
    connections belong to one thread of one process. Questions are GET, as the guide writes them. The API key
    appears in no error, repr or log.
    """

    def __init__(self, base_url: str, apikey: str, *, timeout: float = 60.0, ca_bundle: str | None = None) -> None:
        """Check the settings without connecting; `UsageError` for a URL or CA bundle that cannot work.

        `base_url` may have a path and a trailing slash. `ca_bundle` is a file or folder of CA certificates.
        """
        access = Access.of(base_url, apikey, timeout=timeout, ca_bundle=ca_bundle)
        self._client, self._apikey, self._timeout = access.client, access.apikey, access.timeout

    def __repr__(self) -> str:
        """Name the provider and never the key."""
        return f"HttpProvider({self._client.base!r})"

    def send_bulk(
        self,
        bloque: bytes,
        *,
        test: bool = False,
        separator: Literal["tab", "coma"] = "tab",
        method: BulkMethod = "post",
        guard: Callable[[], None] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Post one bloque once, over a connection of its own; return when the answer was exactly OK.

        `bloque` is the raw lines `idinterno SEP destino SEP texto` joined with CRLF, not yet encoded; SEP is
        what `separator` says. With `method` auto, a bloque of tabs that fits `LARGEST_QUERY` goes as in the
        guide's example, by GET with `coma`; no texto has a tab. `guard` runs when the connection is ready, right
        before the first byte leaves: what it raises is passed on unchanged and proves that nothing left.
        `timeout` is the total in seconds.

        Raises `ProviderError`: `NotDelivered`, `CredentialsRefused`, `AccountBlocked` or `InDoubt`.
        Guide "Envío de mensajes vía http (en bloque, POST)".
        """
        if not bloque:
            raise ValueError("a bloque has at least one line")
        path, body = self._bulk_request(bloque, separator, method, test)
        call = Call(self._timeout if timeout is None else timeout, guard)

        def post() -> None:
            response = self._client.exchange(path, body, call, fresh=True)
            answer = read_body(response, SMALL_ANSWER)
            answers.read_bulk_answer(response.status_code, answer)

        post_once(call, post, self._apikey)

    def _bulk_request(
        self, bloque: bytes, separator: Literal["tab", "coma"], method: BulkMethod, test: bool
    ) -> tuple[str, bytes | None]:
        """The page and the body; no body is a GET."""
        # Escaped, a bloque is no shorter than it is.
        if method == "auto" and separator == "tab" and len(bloque) <= LARGEST_QUERY:
            query = form.bulk_form(self._apikey, bloque.replace(b"\t", b","), "coma", test)
            if len(query) <= LARGEST_QUERY:
                return _question(BULK, query), None
        return BULK, form.bulk_form(self._apikey, bloque, separator, test)

    def status_by_idinterno(self, idinterno: str, *, only_unread: bool = False, mark_read: bool = False) -> StatusLines:
        """The results of one message, a list of `ResultLine`; empty when the provider says PENDIENTE.

        Raises `AnswerError` for every other answer without a result line: it proves no absence.
        Guide "Comprobación del proceso de un envío en bloque".
        """
        body = form.status_form(self._apikey, "idinterno", idinterno, only_unread=only_unread, mark_read=mark_read)

        def read(answer: bytes) -> StatusLines:
            lines = answers.parse_status(answer)
            if not lines and not answers.is_pending(answer):
                raise answers.no_result_line(answer)
            return lines

        return self._ask(STATUS, body, read, cap=IDINTERNO_ANSWER)[0]

    def status_by_fecha(
        self, fecha: datetime | str, *, only_unread: bool = False, mark_read: bool = False
    ) -> StatusStream:
        """The results of a moment in provider time (a naive datetime or YYYYMMDDHHNNSS), as raw slices.

        Iterate over it, or better `with provider.status_by_fecha(f) as slices: for slice_ in slices: …`,
        which closes the connection when left early. Nothing is asked before the first slice is wanted.
        Guide "Comprobación del proceso de un envío en bloque".
        """
        digits = form.fecha_digits(fecha)
        body = form.status_form(self._apikey, "fecha", digits, only_unread=only_unread, mark_read=mark_read)
        return StatusStream(self, body)

    def server_date(self) -> ServerDate:
        """The provider's clock; `AnswerError` otherwise. Guide "Consulta de la fecha del servidor"."""
        fecha, call = self._ask(SERVER_DATE, None, answers.parse_server_date)
        assert call.began is not None
        return ServerDate(fecha, call.began)

    def saldo(self) -> int:
        """Messages left on a prepaid plan; `AnswerError` otherwise. Guide "Consulta de saldo vía HTTP/s"."""
        return self._ask(SALDO, form.account_form(self._apikey), answers.parse_integer)[0]

    def envios(self) -> int:
        """Messages sent this month; `AnswerError` otherwise.

        Guide "Consulta de mensajes enviados vía HTTP".
        """
        return self._ask(ENVIOS, form.account_form(self._apikey), answers.parse_integer)[0]

    def vencimiento(self) -> date:
        """The day on which the package ends; `AnswerError` otherwise.

        Guide "Consulta de vencimiento del paquete vía HTTP".
        """
        return self._ask(VENCIMIENTO, form.account_form(self._apikey), answers.parse_day)[0]

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        self._client.close()

    def _ask(
        self, path: str, body: bytes | None, read: Callable[[bytes], T], *, cap: int = SMALL_ANSWER
    ) -> tuple[T, Call]:
        call = Call(self._timeout)

        def question() -> T:
            response = self._client.exchange(_question(path, body), None, call)
            answer = read_body(response, cap)
            answers.require_answer(response.status_code, answer)
            return read(answer)

        return ask(call, question, self._apikey), call


def _question(path: str, parameters: bytes | None) -> str:
    """A page with its parameters in the query, as the guide writes calls."""
    return path if parameters is None else f"{path}?{parameters.decode('ascii')}"


class StatusStream(Iterator[bytes]):
    """A status answer as it comes, in slices of about 1 MB that each end at a line end.

    PENDIENTE yields none. Raises `AnswerError`, possibly after slices were yielded, for an answer that is no
    HTTP 200, is or turns into an HTML page, breaks off, or takes longer than the call's total. The consumer's
    own time between slices does not count.
    """

    def __init__(self, provider: HttpProvider, body: bytes) -> None:
        """Ask nothing yet."""
        self._provider = provider
        self._slices = self._read(body)

    def __next__(self) -> bytes:
        """The next slice."""
        return next(self._slices)

    def __enter__(self) -> Self:
        """Close the connection at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection if the answer was not read to its end."""
        self.close()

    def close(self) -> None:
        """Close the connection if the answer was not read to its end."""
        self._slices.close()

    def _read(self, body: bytes) -> Generator[bytes]:
        provider = self._provider
        call = Call(provider._timeout)
        failure: AnswerError
        try:
            response = provider._client.exchange(_question(STATUS, body), None, call)
            if response.status_code != 200:
                answers.require_answer(response.status_code, read_body(response, SMALL_ANSWER))
            with closing(read_chunks(response, SLICE)) as chunks:
                size = 0
                for slice_ in line_slices(chunks, framed=is_framed(response)):
                    size += len(slice_)
                    if size > STATUS_ANSWER:
                        raise AnswerError(reason="too_large")
                    paused = now()
                    yield slice_
                    call.deadline.extend(now() - paused)
            return
        except (Exception, Stopped) as error:
            failure = question_error(error, call, provider._apikey)
        raise failure
