"""Mail over real mail servers: encryption that is required, logins, refusals at every step."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope

from dispatcher.errors import CredentialsRefused, InDoubt, NotDelivered, ProviderError
from dispatcher.provider.message import Message
from dispatcher.provider.smtp import SmtpSender
from tests.contract.conftest import Certificate
from tests.contract.senders import CLAVE, USUARIO, smtp_url
from tests.contract.wire import Peer, Script, wire

HELLO = Message("1155556666", "Octavio Gomez, no se olvide que hoy vence su factura.")


class Keeper:
    """Keeps every mail that comes."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content)
        return "250 OK"


def only_ana(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"ana", b"p@ss word"), handled=False)


@contextmanager
def mail_server(*, ssl_context: ssl.SSLContext | None = None, **settings: Any) -> Iterator[tuple[Keeper, str]]:
    """A mail server of its own, and its `host:port`; with `ssl_context` it speaks TLS from the first byte."""
    keeper, loop = Keeper(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await loop.create_server(lambda: SMTP(keeper, **settings), "127.0.0.1", 0, ssl=ssl_context)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(5)
    try:
        yield keeper, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def sender(url: str, certificate: Certificate | None = None, timeout: float = 5.0) -> SmtpSender:
    ca_bundle = None if certificate is None else str(certificate.path)
    return SmtpSender(url, USUARIO, CLAVE, timeout=timeout, ca_bundle=ca_bundle)


def test_a_mail_goes_out_over_tls_from_the_first_byte(certificate: Certificate) -> None:
    with mail_server(ssl_context=certificate.context) as (keeper, address):
        assert sender(smtp_url(f"smtps://{address}", ""), certificate).send(HELLO).status == "handed_over"
    assert b"Subject: USU500 CLAVE500 1155556666 Octavio Gomez, no se olvide" in keeper.mails[0]


def test_a_mail_goes_out_after_starttls(certificate: Certificate) -> None:
    with mail_server(tls_context=certificate.context, require_starttls=True) as (keeper, address):
        assert sender(smtp_url(f"smtp://{address}", ""), certificate).send(HELLO).status == "handed_over"
    assert len(keeper.mails) == 1


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_certificate_that_nobody_signed_lets_no_mail_leave(certificate: Certificate, scheme: str) -> None:
    settings = {"tls_context" if scheme == "smtp" else "ssl_context": certificate.context}
    with mail_server(**settings) as (keeper, address), pytest.raises(NotDelivered) as caught:
        sender(smtp_url(f"{scheme}://{address}", "")).send(HELLO)
    assert (caught.value.reason, caught.value.retryable) == ("tls", False)
    assert keeper.mails == []


def test_a_server_without_starttls_gets_no_mail_and_no_password() -> None:
    with mail_server() as (keeper, address), pytest.raises(NotDelivered) as caught:
        sender(smtp_url(f"smtp://ana:secret@{address}", "")).send(HELLO)
    assert (caught.value.reason, caught.value.retryable) == ("not_supported", False)
    assert keeper.mails == []


def test_a_login_is_made_inside_the_encryption(certificate: Certificate) -> None:
    settings: dict[str, Any] = {"tls_context": certificate.context, "authenticator": only_ana, "auth_required": True}
    with mail_server(**settings) as (keeper, address):
        good = smtp_url(f"smtp://ana:p%40ss%20word@{address}", "")
        assert sender(good, certificate).send(HELLO).status == "handed_over"
        with pytest.raises(CredentialsRefused) as caught:
            sender(smtp_url(f"smtp://ana:S3CR3T0001@{address}", ""), certificate).send(HELLO)
        assert (caught.value.reason, caught.value.delivered) == ("smtp_auth", "no")
        assert "S3CR3T0001" not in f"{caught.value} {caught.value.__dict__}"
    assert len(keeper.mails) == 1


# -- a scripted mail server ------------------------------------------------------------------------------------


def talk(*replies: str, then: Callable[[Peer], None] | None = None, greeting: str = "220 x ESMTP") -> Script:
    """Greet, answer one line after the other with `replies`, then do `then`."""

    def script(peer: Peer) -> None:
        peer.send(greeting.encode() + b"\r\n")
        for reply in replies:
            read_line(peer)
            peer.send(reply.encode() + b"\r\n")
        if then is not None:
            then(peer)

    return script


def read_line(peer: Peer) -> None:
    start = len(peer.received)
    while b"\n" not in peer.received[start:]:
        data = peer.sock.recv(1)
        if not data:
            raise ConnectionError("the client closed")
        peer.received += data


def read_mail(peer: Peer) -> None:
    while not peer.received.endswith(b"\r\n.\r\n"):
        data = peer.sock.recv(65536)
        if not data:
            raise ConnectionError("the client closed")
        peer.received += data


def after_the_mail(reply: bytes) -> Callable[[Peer], None]:
    def finish(peer: Peer) -> None:
        read_mail(peer)
        peer.send(reply)

    return finish


def reset_after_the_mail(peer: Peer) -> None:
    read_mail(peer)
    peer.reset()


def hold_after_the_mail(peer: Peer) -> None:
    read_mail(peer)
    peer.hold()


def drip_after_the_mail(peer: Peer) -> None:
    read_mail(peer)
    peer.drip(b"250 taken" + b"." * 100, 0.05)


TO_DATA = ("250 x", "250 OK", "250 OK")
ENDS: dict[str, tuple[Script, type[ProviderError], str, bool]] = {
    "busy": (talk(greeting="421 busy"), NotDelivered, "smtp_421", True),
    "no": (talk(greeting="554 no"), NotDelivered, "smtp_554", False),
    "never greets": (lambda peer: peer.hold(), NotDelivered, "connect_timeout", True),
    "no mail server": (talk(greeting="HTTP/1.1 400 Bad"), NotDelivered, "*", False),
    "closes": (lambda peer: None, NotDelivered, "closed", True),
    "sender refused": (talk("250 x", "550 who"), NotDelivered, "smtp_550", False),
    "recipient refused": (talk("250 x", "250 OK", "550 no relay"), NotDelivered, "smtp_550", False),
    "greylisted": (talk("250 x", "250 OK", "451 later"), NotDelivered, "smtp_451", True),
    "data refused": (talk(*TO_DATA, "452 full"), NotDelivered, "smtp_452", True),
    "closed at data": (talk(*TO_DATA), NotDelivered, "closed", True),
    "mail refused": (talk(*TO_DATA, "354 go", then=after_the_mail(b"554 spam\r\n")), NotDelivered, "smtp_554", False),
    "reset": (talk(*TO_DATA, "354 go", then=reset_after_the_mail), InDoubt, "reset", False),
    "closed": (talk(*TO_DATA, "354 go", then=read_mail), InDoubt, "closed", False),
    "silence": (talk(*TO_DATA, "354 go", then=hold_after_the_mail), InDoubt, "read_timeout", False),
    "drips": (talk(*TO_DATA, "354 go", then=drip_after_the_mail), InDoubt, "read_timeout", False),
    "garbage": (talk(*TO_DATA, "354 go", then=after_the_mail(b"\x00\xff\r\n")), InDoubt, "garbage", False),
    "neither yes nor no": (talk(*TO_DATA, "354 go", then=after_the_mail(b"354 more\r\n")), InDoubt, "garbage", False),
}


@pytest.mark.parametrize("label", ENDS)
def test_what_a_mail_server_says_or_does_not_say_proves_what_it_proves(label: str) -> None:
    script, kind, reason, retryable = ENDS[label]
    with wire(script) as server, pytest.raises(kind) as caught:
        sender(smtp_url(server.url.replace("http:", "smtp:")), timeout=0.8).send(HELLO)
    assert reason in ("*", caught.value.reason)
    assert caught.value.retryable is retryable
    assert caught.value.__context__ is None
    assert CLAVE not in f"{caught.value} {caught.value.__dict__}"


def test_the_mail_is_one_subject_line_of_plain_ascii() -> None:
    with wire(talk(*TO_DATA, "354 go", then=after_the_mail(b"250 2.0.0 queued as 42\r\n"))) as server:
        result = sender(smtp_url(server.url.replace("http:", "smtp:"))).send(
            Message("1155556666", "a  b " * 31 + "end")
        )
    assert (result.status, result.code, result.text) == ("handed_over", None, "250 2.0.0 queued as 42")
    conversation = server.received
    assert b"mail FROM:<avisos@empresa.example>" in conversation
    assert b"rcpt TO:<api@smsmasivos.com.ar>" in conversation
    (subject,) = [line for line in conversation.split(b"\r\n") if line.startswith(b"Subject")]
    assert subject == b"Subject: USU500 CLAVE500 1155556666 " + b"a  b " * 31 + b"end"


def test_a_tls_context_is_of_the_verifying_kind(certificate: Certificate) -> None:
    assert sender(smtp_url("smtps://mail.example", ""))._context.verify_mode is ssl.CERT_REQUIRED  # type: ignore[union-attr]
