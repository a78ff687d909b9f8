"""Where mail is handed over, read from one URL. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded

API_ADDRESS = "api@smsmasivos.com.ar"
"""The provider's mailbox (guide "Envío de mensajes vía correo electrónico (SMTP)")."""

URL_HINT = "Write DISPATCHER_SMTP_URL as smtps://user:password@mail.example.com?from=avisos@example.com."
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server and the two addresses of every mail.

    `tls`: "tls" from the first byte, "starttls" (required, not merely tried), or "no".
    """

    host: str
    port: int
    tls: Literal["tls", "starttls", "no"]
    user: str
    password: str = field(repr=False)
    sender: str
    to: str

    @classmethod
    def of(cls, url: str) -> MailServer:
        """Read `smtps://[user:password@]host[:465]?from=…`, or `smtp://…[:587]` for STARTTLS.

        `&tls=no` is for a server on this machine, `&to=…` for another mailbox than the provider's. Raises
        `UsageError`, which repeats nothing of the URL: it may have a password.
        """
        try:
            parts = urlsplit(url.strip())
            port, query = parts.port, parse_qs(parts.query, strict_parsing=bool(parts.query))
        except ValueError:
            raise UsageError("The mail server's URL cannot be read.", hint=URL_HINT) from None
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/"):
            raise UsageError("The mail server's URL must be smtp://host or smtps://host.", hint=URL_HINT)
        unknown = sorted(set(query) - {"from", "to", "tls"})
        if unknown or query.get("tls", ["no"]) != ["no"]:
            raise UsageError("The mail server's URL may say from=…, to=… and tls=no, and no more.", hint=URL_HINT)
        tls: Literal["tls", "starttls", "no"] = "tls" if parts.scheme == "smtps" else "starttls"
        if "tls" in query:
            if parts.scheme == "smtps" or parts.username:
                raise UsageError("tls=no goes with smtp:// and without a password only.", hint=URL_HINT)
            tls = "no"
        return cls(
            host=parts.hostname,
            port=port or (465 if tls == "tls" else 587),
            tls=tls,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            sender=_address(query.get("from", [""]), "from"),
            to=_address(query.get("to", [API_ADDRESS]), "to"),
        )


def _address(given: list[str], name: str) -> str:
    if len(given) != 1 or not _ADDRESS.fullmatch(given[0]):
        raise UsageError(
            worded("The mail server's URL must say {name}= with one mail address.", name=name), hint=URL_HINT
        )
    return given[0]
