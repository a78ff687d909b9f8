"""Replies pulled from the provider, by HTTP and by the Web Service (guide "Recepción de mensajes … (PULL)").

The provider alone keeps what was read: when an answer that marks replies is lost on the way, they are not unread any
more. To lose none, read them, store them, and mark them afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from typing import Any, Literal, Protocol, TypedDict, Unpack

import requests
import zeep.exceptions

from dispatcher.errors import AnswerError
from dispatcher.provider import answers, envelopes, form, replies
from dispatcher.provider.call import Call
from dispatcher.provider.client import Access, is_framed, read_body, read_chunks
from dispatcher.provider.deadline import Deadline
from dispatcher.provider.exchange import ask
from dispatcher.provider.replies import Replies
from dispatcher.provider.spool import Spool
from dispatcher.provider.webservice import Fields, NoEnvelope, Unreadable, WebService

log = logging.getLogger(__name__)

_RECEIVE = "RecibirSMS"
INBOX = "obtener_sms_entrada.asp"
LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer that must be in memory as a whole: a table, or an envelope of the Web Service."""
LARGEST_INBOX = 1024 * 1024 * 1024
"""Bytes of an answer of lines, which is spooled to disk."""
_CHUNK = 1024 * 1024
_STRANGERS = 100  # lines that belong to no reply: enough to see what they are


class Flags(TypedDict, total=False):
    """What a pull may ask for: SOLONOLEIDOS and MARCARCOMOLEIDOS, off unless given, and TRAERIDINTERNO, on."""

    only_unread: bool
    mark_read: bool
    with_idinterno: bool


class Inbox(Protocol):
    """A way to pull replies."""

    def batches(self, origen: str | None = None, **flags: Unpack[Flags]) -> Iterator[Replies]:
        """The account's replies, those of the number `origen` alone if given, in batches: the oldest batch first.

        In each batch the newest reply comes first. Raises `AnswerError` for an answer that cannot be read whole, after
        what came whole of it: the newest replies.
        """
        ...

    def pull(self, origen: str | None = None, **flags: Unpack[Flags]) -> Replies:
        """All of `batches` at once, the newest reply first; `AnswerError` for an answer that cannot be read whole."""
        ...

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        ...


class HttpInbox:
    """The inbox page for one account: connections, deadlines and secrecy as in `HttpProvider`."""

    def __init__(
        self,
        base_url: str,
        apikey: str,
        *,
        timeout: float = 60.0,
        ca_bundle: str | None = None,
        formato: Literal["text", "excel"] = "text",
    ) -> None:
        """Check the settings without connecting; `UsageError` when they cannot work. `formato` is the guide's."""
        self._access = Access.of(base_url, apikey, timeout=timeout, ca_bundle=ca_bundle)
        self._excel = formato == "excel"

    def __repr__(self) -> str:
        """Name the provider and never the key."""
        return f"HttpInbox({self._access.client.base!r})"

    def batches(self, origen: str | None = None, **flags: Unpack[Flags]) -> Iterator[Replies]:
        """See `Inbox.batches`; one GET. In text, an inbox of any size takes the memory of one batch."""
        query = form.inbox_form(self._access.apikey, origen, excel=self._excel, **flags)
        return self._table(query) if self._excel else self._lines(query)

    def pull(self, origen: str | None = None, **flags: Unpack[Flags]) -> Replies:
        """See `Inbox.pull`; one GET."""
        batches = [*self.batches(origen, **flags)][::-1]
        return Replies(chain.from_iterable(batches), malformed=sum(batch.malformed for batch in batches))

    def _lines(self, query: bytes) -> Iterator[Replies]:
        """The answer is spooled first: so it can be read from its end, and the provider waits for nobody."""
        call, failure = Call(self._access.timeout), None
        with Spool() as spool:
            try:
                ask(call, lambda: self._spool(query, call, spool), self._access.apikey)
            except AnswerError as error:
                failure = error
            some, strangers = False, list[str]()
            for slice_ in spool.backwards():
                batch, odd = replies.parse_slice(slice_)
                some, strangers = some or bool(batch), [*odd, *strangers][:_STRANGERS]
                yield batch
        if failure is not None:
            raise failure
        ask(call, lambda: replies.require_no_page(strangers, some=some), self._access.apikey)

    def _spool(self, query: bytes, call: Call, spool: Spool) -> None:
        response = self._response(query, call)
        with closing(read_chunks(response, _CHUNK)) as chunks:
            for slice_ in replies.slices(chunks, framed=is_framed(response)):
                spool.write(slice_)
                if spool.size > LARGEST_INBOX:
                    raise AnswerError(reason="too_large")

    def _table(self, query: bytes) -> Iterator[Replies]:
        call = Call(self._access.timeout)

        def question() -> Replies:
            response = self._response(query, call)
            return replies.parse_excel(read_body(response, LARGEST_ANSWER), framed=is_framed(response))

        yield ask(call, question, self._access.apikey)

    def _response(self, query: bytes, call: Call) -> requests.Response:
        """The page's answer, its body unread; `AnswerError` for another status than 200."""
        response = self._access.client.exchange(f"{INBOX}?{query.decode('ascii')}", None, call)
        if response.status_code != 200:
            answers.require_answer(response.status_code, read_body(response, LARGEST_ANSWER))
        return response

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        self._access.client.close()


class SoapInbox:
    """The Web Service's RecibirSMS for one user."""

    def __init__(
        self, url: str, usuario: str, clave: str, *, timeout: float = 60.0, ca_bundle: str | None = None
    ) -> None:
        """Check the settings without connecting; `UsageError` when they cannot work. See `SoapSender`."""
        self._service = WebService(url, usuario, clave, timeout=timeout, ca_bundle=ca_bundle)

    def __repr__(self) -> str:
        """Name the Web Service and never the user's clave."""
        return f"SoapInbox({self._service.url!r})"

    def batches(self, origen: str | None = None, **flags: Unpack[Flags]) -> Iterator[Replies]:
        """See `Inbox.batches`; there is one, since an envelope is read as a whole."""
        yield self.pull(origen, **flags)

    def pull(self, origen: str | None = None, **flags: Unpack[Flags]) -> Replies:
        """See `Inbox.pull`; one POST, which is a question all the same. `LARGEST_ANSWER` is the limit."""
        deadline = Deadline(self._service.timeout)
        self._service.ready(deadline)
        call = Call(max(deadline.remaining(), 0.001))
        wanted: Fields = {
            "origen": origen or "",
            "solonoleidos": flags.get("only_unread", False),
            "marcarcomoleidos": flags.get("mark_read", False),
            "traeridinterno": flags.get("with_idinterno", True),
        }

        return ask(call, lambda: self._replies(wanted, call), self._service.clave)

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        self._service.close()

    def _replies(self, wanted: Fields, call: Call) -> Replies:
        try:
            answer = self._service.call(_RECEIVE, wanted, call, fresh=False, repair=True)
        except NoEnvelope as error:
            status, body = error.args
            answers.require_answer(status, body)
            raise answers.no_result_line(body) from None
        except zeep.exceptions.Fault as fault:
            words = str(fault.message or "")
            raise answers.refusal(words) or AnswerError(reason="soap_fault", words=words) from None
        except Unreadable as error:
            # These may be the words of people, so the error quotes nothing but a refusal.
            raise answers.refusal(envelopes.words(error.args[0])) or AnswerError(reason="garbage") from None
        if answer.repaired:
            log.warning("inbox_repaired characters=%s", answer.repaired)
        rows = _rows(answer.result)
        if not rows:
            _require_empty_inbox(answer.envelope)
        return replies.of_rows(rows, repaired=answer.repaired)


def _rows(result: Any) -> list[Any]:
    """The `clsRespuesta` rows of a result; zeep gives None for an empty array and for a missing one."""
    if result is None:
        return []
    return list(result if isinstance(result, list) else result.clsRespuesta or [])


def _require_empty_inbox(envelope: bytes) -> None:
    """Raise `AnswerError` unless an answer without rows is that of an empty inbox: an empty array and no words."""
    if words := envelopes.words(envelope):
        raise answers.refusal(words) or AnswerError(reason="sentence", words=words)
    if not envelopes.has_result(envelope, f"{_RECEIVE}Result"):
        raise AnswerError(
            "The Web Service gave no list of replies, not even an empty one.",
            reason="empty",
            hint=answers.CREDENTIALS_HINT,
        )
