"""One message over HTTP, in real time: its code and words at once (guide "Envío de mensajes vía http")."""

from __future__ import annotations

from collections.abc import Callable

from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded
from dispatcher.provider import form, verdict
from dispatcher.provider.call import Call
from dispatcher.provider.client import Access, read_body
from dispatcher.provider.exchange import post_once
from dispatcher.provider.message import Message, SendResult

UNIT = "enviar_sms.asp?api=1"
SMALL_ANSWER = 64 * 1024
LARGEST_BODY = 90_000
"""Bytes that an encoded message may have: old servers fail above 100 KB a field."""


class UnitSender:
    """The unit page for one account: connections, deadlines and secrecy as in `HttpProvider`."""

    def __init__(self, base_url: str, apikey: str, *, timeout: float = 60.0, ca_bundle: str | None = None) -> None:
        """Check the settings without connecting; `UsageError` when they cannot work. See `HttpProvider`."""
        self._access = Access.of(base_url, apikey, timeout=timeout, ca_bundle=ca_bundle)

    def __repr__(self) -> str:
        """Name the provider and never the key."""
        return f"UnitSender({self._access.client.base!r})"

    def send(
        self, message: Message, *, guard: Callable[[], None] | None = None, timeout: float | None = None
    ) -> SendResult:
        """Post one message once, over a connection of its own; see `Sender.send`.

        The result is `accepted`, `simulated` or `rejected`. Raises `NotDelivered`, `CredentialsRefused`,
        `AccountBlocked`, `InDoubt`, and `UsageError` for a text that latin-1 cannot write or content that is too long.
        """
        access = self._access
        body = body_of(access.apikey, message)
        call = Call(access.timeout if timeout is None else timeout, guard)

        def post() -> SendResult:
            response = access.client.exchange(UNIT, body, call, fresh=True)
            return verdict.read_answer(response.status_code, read_body(response, SMALL_ANSWER))

        return post_once(call, post, access.apikey)

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        self._access.client.close()


def body_of(apikey: str, message: Message) -> bytes:
    """The encoded body of a call; `UsageError` for what one call cannot carry."""
    try:
        body = form.unit_form(apikey, message)
    except UnicodeEncodeError as error:
        letter = error.object[error.start]
        raise UsageError(
            worded("The provider cannot be sent the character {letter!r}.", letter=letter),
            hint="Write the text without it.",
        ) from None
    if len(body) > LARGEST_BODY:
        raise UsageError(
            worded(
                "The message has {n:,} bytes, more than the {most:,} that one call may carry.",
                n=len(body),
                most=LARGEST_BODY,
            ),
            hint="Shorten its HTML, or link to a page of your own.",
        )
    return body
