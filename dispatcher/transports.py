"""Which way a message goes out and replies come in, made from the settings. One dict, explicit.

Each way's modules are imported when it is first used: most processes need one of them, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from dispatcher.config import Settings
from dispatcher.errors import UsageError

if TYPE_CHECKING:
    from dispatcher.provider.inbox import Inbox
    from dispatcher.provider.message import Sender

Transport = Literal["http", "soap", "smtp"]
Formato = Literal["text", "excel"]
TRANSPORTS: tuple[Transport, ...] = ("http", "soap", "smtp")


def sender(settings: Settings, transport: Transport) -> Sender:
    """A way out for single messages.

    Raises:
        UsageError: a setting that this transport needs is missing or cannot work.
    """
    return _SENDERS[transport](settings)


def inbox(settings: Settings, transport: Transport, formato: Formato = "text") -> Inbox:
    """A way in for replies: the Web Service for `soap`, the inbox page otherwise.

    Raises:
        UsageError: a setting that this transport needs is missing or cannot work.
    """
    if transport == "soap":
        from dispatcher.provider.soap_inbox import SoapInbox

        user, password = settings.require_user("the Web Service")
        return SoapInbox(
            settings.soap_address, user, password, timeout=settings.provider_timeout, ca_bundle=_ca(settings)
        )
    from dispatcher.provider.inbox import HttpInbox

    return HttpInbox(
        settings.provider_url,
        settings.require_apikey(),
        timeout=settings.provider_timeout,
        ca_bundle=_ca(settings),
        formato=formato,
    )


def _http(settings: Settings) -> Sender:
    from dispatcher.provider.unit import UnitSender

    return UnitSender(
        settings.provider_url, settings.require_apikey(), timeout=settings.provider_timeout, ca_bundle=_ca(settings)
    )


def _soap(settings: Settings) -> Sender:
    from dispatcher.provider.soap import SoapSender

    user, password = settings.require_user("the Web Service")
    return SoapSender(settings.soap_address, user, password, timeout=settings.provider_timeout, ca_bundle=_ca(settings))


def _smtp(settings: Settings) -> Sender:
    from dispatcher.provider.smtp import SmtpSender

    if settings.smtp_url is None:
        raise UsageError(
            "DISPATCHER_SMTP_URL is not set, so no mail can be handed over.",
            hint="Name a mail server of yours: smtps://user:password@mail.example.com?from=avisos@example.com.",
        )
    user, password = settings.require_user("the mailbox")
    return SmtpSender(
        settings.smtp_url.get_secret_value(),
        user,
        password,
        country=settings.country,
        timeout=settings.provider_timeout,
        ca_bundle=_ca(settings),
    )


def _ca(settings: Settings) -> str | None:
    return str(settings.ca_bundle) if settings.ca_bundle else None


_SENDERS: dict[Transport, Callable[[Settings], Sender]] = {"http": _http, "soap": _soap, "smtp": _smtp}
