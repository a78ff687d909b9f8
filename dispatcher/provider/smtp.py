"""One message by mail: everything in the subject line (guide "Envío de mensajes vía correo electrónico (SMTP)").

A mail server's OK says only that it has the mail. What the provider makes of it comes as an error mail to the sender,
where that service was asked for, or not at all. So what the provider would refuse by the guide's own rules is refused
here, with its code.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from email.utils import formatdate, make_msgid

from dispatcher.domain.phone import PLANS
from dispatcher.domain.sms_text import MAX_LENGTH, leftover, outside_alphabet
from dispatcher.errors import CredentialsRefused, InDoubt, NotDelivered, ProviderError, UsageError
from dispatcher.provider.answers import scrubbed
from dispatcher.provider.call import Call, Stopped
from dispatcher.provider.client import checked_timeout, tls_context_of
from dispatcher.provider.codes import CODES, OTHER
from dispatcher.provider.failures import Reasons, chain_of, reason_of
from dispatcher.provider.mailserver import MailServer
from dispatcher.provider.message import Message, NotOffered, SendResult
from dispatcher.provider.sockets import DeadlineTLSSocket, open_socket

_ENCODED_WORD = re.compile(r"=\?[^? ]+\?[^? ]\?[^? ]*\?=")
_HELO = re.compile(r"[A-Za-z0-9.-]{1,255}")
_REASONS: Reasons = (
    (socket.gaierror, "unresolved"),
    (ConnectionRefusedError, "refused"),
    (ssl.SSLError, "tls"),
    (TimeoutError, "connect_timeout"),
    ((ConnectionResetError, BrokenPipeError), "reset"),
    (smtplib.SMTPNotSupportedError, "not_supported"),
    (smtplib.SMTPServerDisconnected, "closed"),
    (smtplib.SMTPException, "garbage"),
    (OSError, "unreachable"),
)


class SmtpSender:
    """The provider's mailbox, reached through a mail server of ours; a connection for every mail."""

    def __init__(
        self,
        url: str,
        usuario: str,
        clave: str,
        *,
        country: str = "AR",
        timeout: float = 60.0,
        ca_bundle: str | None = None,
    ) -> None:
        """Check the settings without connecting; `UsageError` when they cannot work. `url` as `MailServer.of` has it.

        USUARIO and CLAVE travel in the subject line, so the way to the mail server is encrypted unless the URL says no.
        """
        for word in (usuario, clave):
            if not word or not word.isascii() or not word.isprintable() or " " in word:
                raise UsageError(
                    "USUARIO and CLAVE are written in a subject line, so they must be words without blanks.",
                    hint="Check DISPATCHER_USUARIO and DISPATCHER_CLAVE.",
                )
        self._server = MailServer.of(url)
        self._login = f"{usuario} {clave}"
        self._clave, self._country, self._timeout = clave, country, checked_timeout(timeout)
        self._context = None if self._server.tls == "no" else tls_context_of(ca_bundle)

    def __repr__(self) -> str:
        """Name the mail server and no secret."""
        return f"SmtpSender({self._server.host!r})"

    def send(
        self, message: Message, *, guard: Callable[[], None] | None = None, timeout: float | None = None
    ) -> SendResult:
        """Hand one mail over; see `Sender.send`.

        The result is `handed_over`, or `rejected` with the guide's code when nothing was sent because the provider
        would refuse it. Raises `NotDelivered` when the mail server did not take it, `CredentialsRefused` when it
        refused our login, `InDoubt` when it broke off after the mail's first byte, and `NotOffered` for TEST,
        IDINTERNO, FECHADESDE and HTML, which a subject line has no place for.
        """
        _require_plain(message)
        code = verdict_here(message, self._country)
        if code is not None:
            return SendResult("rejected", code, CODES[code])
        call = Call(self._timeout if timeout is None else timeout, guard)
        failure: BaseException
        try:
            return self._hand_over(self._mail(message), call)
        except Stopped:
            assert call.stopped is not None
            failure = call.stopped
        except ProviderError as error:
            failure = scrubbed(scrubbed(error, self._clave), self._server.password)
        except Exception as error:
            failure = _failure(error, call)
        raise failure

    def close(self) -> None:
        """Nothing to close: no connection outlives its mail."""

    def _mail(self, message: Message) -> bytes:
        server = self._server
        headers = {
            "From": server.sender,
            "To": server.to,
            # One line, whatever its length: folding would add blanks, and encoding is for what has no ASCII.
            "Subject": f"{self._login} {message.numero} {message.texto}",
            "Date": formatdate(),
            "Message-ID": make_msgid(domain=server.sender.rpartition("@")[2]),
            "MIME-Version": "1.0",
            "Content-Type": "text/plain; charset=us-ascii",
        }
        return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii") + b"\r\n"

    def _hand_over(self, mail: bytes, call: Call) -> SendResult:
        server = self._server
        session = _Session(server, self._context, call)
        try:
            session.open()
            _require(session.mail(server.sender), 250)
            _require(session.rcpt(server.to), 250, 251)
            _require(session.docmd("DATA"), 354)
            call.check()
            session.send(mail + b".\r\n")
            call.sent = True
            code, reply = session.getreply()
            said = f"{code} {reply.decode('latin-1')}"
            if code >= 400:  # its "no" to the whole mail: RFC 5321, 4.1.1.4
                raise _refused(code, said)
            if not 200 <= code < 300:
                raise InDoubt(reason="garbage", words=said)
            return SendResult("handed_over", None, said)
        finally:
            with contextlib.suppress(Exception):
                session.putcmd("quit")
            session.close()


def verdict_here(message: Message, country: str) -> int | None:
    """The guide's code for a message that the provider would refuse by number or text; None when it may go."""
    texto, numero, plan = message.texto, message.numero, PLANS[country]
    if len(texto) > MAX_LENGTH:
        return -6
    if outside_alphabet(texto):
        return -11
    if leftover(texto):
        return OTHER
    if not (numero.isascii() and numero.isdigit()):
        return -8
    if len(numero) != plan.digits:
        return -7
    return -12 if country == "AR" and numero[0] not in "123" else None


def _require_plain(message: Message) -> None:
    given = {
        "TEST": message.test,
        "IDINTERNO": message.idinterno is not None,
        "FECHADESDE": message.fechadesde is not None,
        "HTML": message.html is not None,
    }
    asked = [name for name, on in given.items() if on]
    if asked:
        raise NotOffered(
            f"A message by mail has no {', '.join(asked)}.", hint="Send it over http or soap, or without that."
        )
    if _ENCODED_WORD.search(message.texto) or message.texto != message.texto.strip():
        raise NotOffered(
            "A mail's subject line would change this text.", hint="Take out the blanks around it and any =?…?=."
        )


class _Session(smtplib.SMTP):
    """smtplib within the deadline of one call."""

    def __init__(self, server: MailServer, context: ssl.SSLContext | None, call: Call) -> None:
        name = socket.gethostname()
        super().__init__(local_hostname=name if _HELO.fullmatch(name) else "localhost", timeout=call.timeout)
        self._server, self._context, self._call = server, context, call
        self._host = server.host  # what starttls() checks the certificate against; connect() leaves it alone

    def open(self) -> None:
        """Connect, greet, encrypt and log in, as far as the server's URL says."""
        server = self._server
        _require(self.connect(server.host, server.port), 220)
        self.ehlo_or_helo_if_needed()
        if server.tls == "starttls":
            _require(self.starttls(context=self._context), 220)
            self._arm()
            self.ehlo_or_helo_if_needed()
        if server.user:
            self.login(server.user, server.password)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        call = self._call
        sock: socket.socket = open_socket(host, port, call.connecting())
        sock.settimeout(max(call.deadline.remaining(), 0.001))
        if self._server.tls == "tls":
            assert self._context is not None
            sock = self._context.wrap_socket(sock, server_hostname=host)
        self.sock = sock
        self._arm()
        return sock

    def _arm(self) -> None:
        sock = self.sock
        assert isinstance(sock, DeadlineTLSSocket) or self._server.tls != "tls"
        sock.deadline = self._call.deadline  # type: ignore[union-attr]


def _require(reply: tuple[int, bytes], *wanted: int) -> None:
    code, words = reply
    if code not in wanted:
        raise _refused(code, f"{code} {words.decode('latin-1')}")


def _refused(code: int, words: str) -> NotDelivered:
    return NotDelivered(
        "The mail server did not take the mail.", reason=f"smtp_{code}", words=words, retryable=400 <= code < 500
    )


def _failure(error: Exception, call: Call) -> ProviderError:
    """The error for a session that ended in `error`; nothing was handed over while `call.began` is None."""
    reason = reason_of(chain_of(error), call, _REASONS, _REASONS)
    if call.began is not None:
        return InDoubt(reason=reason)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        words = f"{error.smtp_code} {_text(error.smtp_error)}"
        hint = "Check the user and password in DISPATCHER_SMTP_URL."
        return CredentialsRefused("The mail server refuses our login.", reason="smtp_auth", words=words, hint=hint)
    if isinstance(error, smtplib.SMTPResponseException):
        return _refused(error.smtp_code, f"{error.smtp_code} {_text(error.smtp_error)}")
    if reason == "not_supported":
        message = f"The mail server cannot do what DISPATCHER_SMTP_URL asks for: {error}"
        hint = "smtps:// is for a server without STARTTLS, smtp://…&tls=no for one of this machine without either."
        return NotDelivered(message, reason=reason, retryable=False, hint=hint)
    return NotDelivered(reason=reason, retryable=reason != "tls", hint="Check the network and DISPATCHER_SMTP_URL.")


def _text(words: bytes | str) -> str:
    return words.decode("latin-1") if isinstance(words, bytes) else words
