"""Replies pulled from the provider: what a pull is, and how HTTP does it (guide "Recepción de mensajes vía HTTP").

Marking as read is the provider's flag alone: a marked answer that gets lost on the way does not come back. Whoever
must not lose one reads, stores, and marks afterwards. The Web Service's pull is `soap.SoapInbox`: what imports zeep
costs a tenth of a second and 30 MB, which the workers need not pay.
"""

from __future__ import annotations

from typing import Literal, Protocol

from dispatcher.provider import answers, form, replies
from dispatcher.provider.client import Access, is_framed, read_body
from dispatcher.provider.exchange import ask
from dispatcher.provider.replies import Replies
from dispatcher.provider.transport import Call

INBOX = "obtener_sms_entrada.asp"
LARGEST_ANSWER = 16 * 1024 * 1024


class Inbox(Protocol):
    """A way to pull replies."""

    def pull(
        self,
        origen: str | None = None,
        *,
        only_unread: bool = False,
        mark_read: bool = False,
        with_idinterno: bool = True,
    ) -> Replies:
        """The account's replies, those of the number `origen` alone if given, the newest first.

        `only_unread`, `mark_read` and `with_idinterno` are SOLONOLEIDOS, MARCARCOMOLEIDOS and TRAERIDINTERNO. Raises
        `AnswerError` for an answer that cannot be read whole.
        """
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

    def pull(
        self,
        origen: str | None = None,
        *,
        only_unread: bool = False,
        mark_read: bool = False,
        with_idinterno: bool = True,
    ) -> Replies:
        """See `Inbox.pull`; one GET."""
        access = self._access
        flags = {"only_unread": only_unread, "mark_read": mark_read, "with_idinterno": with_idinterno}
        query = form.inbox_form(access.apikey, origen, excel=self._excel, **flags)
        call = Call(access.timeout)

        def question() -> Replies:
            response = access.client.exchange(f"{INBOX}?{query.decode('ascii')}", None, call)
            body = read_body(response, LARGEST_ANSWER)
            if response.status_code != 200:
                answers.require_answer(response.status_code, body)
            read = replies.parse_excel if self._excel else replies.parse_text
            return read(body, framed=is_framed(response))

        return ask(call, question, access.apikey)

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        self._access.client.close()
