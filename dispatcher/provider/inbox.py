"""Replies pulled from the provider's inbox page (guide "Recepción de mensajes … (PULL)"); `soap_inbox` has the other.

The provider alone keeps what was read: when an answer that marks replies is lost on the way, they are not unread any
more. To lose none, read them, store them, and mark them afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from typing import Literal, Protocol, TypedDict, Unpack

import requests

from dispatcher.errors import AnswerError
from dispatcher.provider import answers, form, replies
from dispatcher.provider.call import Call
from dispatcher.provider.client import Access, is_framed, read_body, read_chunks
from dispatcher.provider.exchange import ask
from dispatcher.provider.replies import Replies
from dispatcher.provider.spool import Spool

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
