"""The mailbox api@...: a message in the subject line of a mail (guide: "Envío de mensajes vía correo electrónico").

Every mail is taken, whatever its subject says: the sender of a real one hears of mistakes by mail or not at all.
What became of it is in the ledger.
"""

from __future__ import annotations

import asyncio
import email
import warnings
from email.header import decode_header, make_header

from aiosmtpd.smtp import SMTP, Envelope, Session

from ops.simulator import unit, wire
from ops.simulator.calls import Call, account_of, refusal_of_caller
from ops.simulator.faults import Fault
from ops.simulator.forms import Fields, Parameters
from ops.simulator.hold import Holds
from ops.simulator.provider import Provider

MAILBOX = "api"
MAX_BYTES = 1024 * 1024
SERVER = "mail.simulador"
_TAKEN = "250 2.0.0 OK: queued"


class Mailbox:
    """The mail server's port; faults of the endpoint `smtp` hit it: waits, error, sentence, reset, close, hang."""

    def __init__(self, provider: Provider, holds: Holds, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._handler = _Handler(provider, holds)
        self._listening: asyncio.Server | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._protocol, self.host, self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def _protocol(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SMTP(self._handler, hostname=SERVER, ident="ESMTP", data_size_limit=MAX_BYTES)


class _Handler:
    """What aiosmtpd asks; its names are fixed by that library."""

    def __init__(self, provider: Provider, holds: Holds) -> None:
        self._provider, self._holds = provider, holds

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.partition("@")[0].strip("<").lower() != MAILBOX:
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        mail = envelope.content if isinstance(envelope.content, bytes) else b""
        peer = session.peer[0] if session.peer else ""
        call = Call("smtp", _parameters(mail), str(peer), len(mail))
        provider = self._provider
        call.hits = provider.faults.hit("smtp")
        provider.count("smtp", call.parameters.text("tos"), call.hits.label)
        life = provider.life
        with provider.flight("smtp"):
            await self._wait(call, "before")
            if life != provider.life:
                return "421 4.3.2 Service not available"
            said = self._take(call)
            await self._wait(call, "after")
            broken = call.hits.first(("reset", "close", "hang", "drip", "truncate", "noise"))
            refused = call.hits.first(("error", "sentence"))
            answer = _refusal(refused) if refused else _TAKEN
            if call.post is not None and life == provider.life:
                provider.ledger.note(call.post, f"{broken.kind} of {said}" if broken else said)
            if broken is not None:
                await _break(server, broken)
            return answer

    def _take(self, call: Call) -> str:
        provider = self._provider
        refusal = refusal_of_caller(provider, call)
        account = "" if refusal else account_of(provider, call).name
        call.post = provider.open_post(account, call.body_bytes, "smtp")
        call.post.fault = call.hits.label
        return refusal if refusal is not None else unit.take(provider, call).words

    async def _wait(self, call: Call, when: str) -> None:
        for fault in call.hits.of(("slow", "hold")):
            if fault.when == when and fault.kind == "slow":
                await asyncio.sleep(fault.seconds if fault.seconds is not None else 1.0)
            elif fault.when == when:
                await self._holds.hold("smtp", call.post.number if call.post else None, when)


def _parameters(mail: bytes) -> Parameters:
    """USUARIO CLAVE NUMERO TEXTO, separated by one blank each; the text may have blanks of its own."""
    subject = str(make_header(decode_header(_unfolded(mail))))
    fields = subject.split(" ", 3)
    values = dict(zip(("usuario", "clave", "tos", "texto"), fields, strict=False))
    return Parameters(Fields.of(values), Fields(b""))


def _unfolded(mail: bytes) -> str:
    raw = email.message_from_bytes(mail)["Subject"] or ""
    return str(raw).replace("\r\n", "").replace("\n", "")


def _refusal(fault: Fault) -> str:
    if fault.kind == "error":
        return f"{fault.status or 451} 4.3.0 Requested action aborted: local error in processing"
    return f"554 5.7.1 {fault.text or 'Transaction failed'}"


async def _break(server: SMTP, fault: Fault) -> None:
    transport = server.transport
    if not isinstance(transport, asyncio.Transport):
        return
    if fault.kind == "hang":
        await wire.closed(transport, fault.seconds if fault.seconds is not None else wire.HANG_SECONDS)
    if fault.kind == "reset":
        wire.reset(transport)
    elif fault.kind == "noise":
        transport.write(b"\x00\xff\xfe noise\r\n")
        transport.close()
    else:
        transport.close()
