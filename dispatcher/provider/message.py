"""One message for any transport, and what became of it. Pure.

Guide "Envío de mensajes vía http (en tiempo real)"; the Web Service and the mailbox take the same message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from dispatcher.domain.window import provider_local
from dispatcher.errors import UsageError
from dispatcher.i18n.words import worded

LINK_MARK = "http://1rck.in/-000000"
"""Where the link to the HTML content goes in a text (guide, HTML)."""


class NotOffered(UsageError):
    """The transport has no field for something that the message asks for, which must not be left out silently."""


Status = Literal["accepted", "simulated", "rejected", "handed_over"]

_IDINTERNO = re.compile(r"[0-9A-Za-z]{1,50}")


@dataclass(frozen=True, slots=True)
class Message:
    """One SMS: `numero` in national digits, `texto` of at most 160 characters; both are judged by the provider.

    `fechadesde` is when it goes out, aware or naive in provider time (GMT-3), and has whole seconds there. `html`
    is the content behind the link, whose place in `texto` is marked by `LINK_MARK`.

    Raises `UsageError` for what no provider could carry out: no number, no text, an idinterno of another form, HTML
    without its mark or the mark without HTML.
    """

    numero: str
    texto: str
    idinterno: str | None = None
    fechadesde: datetime | None = None
    test: bool = False
    html: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be carried out."""
        if not self.numero.strip():
            raise UsageError("The message has no number.", hint="Give 10 digits, such as 1144445555.")
        if not self.texto.strip():
            raise UsageError("The message has no text.", hint="Write 1 to 160 characters.")
        if self.idinterno is not None and not _IDINTERNO.fullmatch(self.idinterno):
            raise UsageError("The idinterno is not valid.", hint="Use 1 to 50 letters (A-Z) and digits.")
        if (self.html is not None) != (LINK_MARK in self.texto):
            raise UsageError(
                "A text with HTML content has a mark for its link, and only such a text has one.",
                hint=worded("Write {mark} where the link goes in the text.", mark=LINK_MARK),
            )

    @property
    def fechadesde_text(self) -> str | None:
        """`YYYY-MM-DD HH:MM:SS` in provider time: another form would send at once (guide, FECHADESDE)."""
        if self.fechadesde is None:
            return None
        local = self.fechadesde if self.fechadesde.tzinfo is None else provider_local(self.fechadesde)
        return f"{local.year:04}-{local:%m-%d %H:%M:%S}"


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one message.

    `accepted`: the provider put it in its outbox. `simulated`: it was valid, and TEST kept it back. `rejected`: the
    provider will not send it, `code` says why. `handed_over`: a mail server has it, and nobody will say more. What
    nothing proves is no result but an error, `InDoubt`. `code` is one of the guide's, None where nobody gave one;
    `text` is the provider's own, or the mail server's.
    """

    status: Status
    code: int | None
    text: str


class Sender(Protocol):
    """A transport for single messages."""

    def send(
        self, message: Message, *, guard: Callable[[], None] | None = None, timeout: float | None = None
    ) -> SendResult:
        """Send once and say what became of it; `guard` and the errors are those of `HttpProvider.send_bulk`.

        An outcome that nothing proves is an `InDoubt`, never a result. `timeout` is the total in seconds.
        """
        ...

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        ...
