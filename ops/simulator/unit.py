"""One message in real time: what the page, the Web Service and the mailbox do with it alike.

Guide: "Envío de mensajes vía http (en tiempo real)" and its two sisters. The guide is silent where this answers
with a sentence of its own: a missing TOS or TEXTO, an IDINTERNO that is none, no API=1 (an HTML page).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ops.simulator import answers, clock, sentences
from ops.simulator.answers import Answer
from ops.simulator.calls import Call, account_of
from ops.simulator.provider import Provider
from ops.simulator.verdicts import fraction

LINK_MARK = "http://1rck.in/-000000"
_LINK_DIGITS = 16**6
_IDINTERNO = re.compile(r"[0-9A-Za-z]{0,50}\Z")
_ANY_IDINTERNO = re.compile(r"[^\t\r\n]{0,50}\Z")
_FECHADESDE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


@dataclass(frozen=True)
class Outcome:
    """What the provider says of one message: the guide's code and its words."""

    code: int
    words: str

    def said(self, *, numeric: bool) -> str:
        """The answer's text, `code;words` for RESPUESTANUMERICA."""
        return f"{self.code};{self.words}" if numeric else self.words


def send(provider: Provider, call: Call) -> Answer:
    """enviar_sms.asp: OK or a sentence as plain text, with its code before it when asked for."""
    if call.parameters.text("api") != "1":
        return answers.text(answers.page(sentences.MISSING_API))
    return answers.text(take(provider, call).said(numeric=call.parameters.flag("respuestanumerica")))


def take(provider: Provider, call: Call) -> Outcome:
    """Take one message, now or for FECHADESDE, and say what becomes of it."""
    parameters, post = call.parameters, call.post
    if post is None:
        raise ValueError("a unit call needs its ledger entry")
    tos, texto = parameters.text("tos").replace("\t", " "), parameters.raw("texto") or b""
    idinterno = parameters.text("idinterno")
    post.offered, post.test = 1, parameters.flag("test")
    missing = sentences.MISSING_TOS if not tos else sentences.MISSING_TEXT if not texto else None
    wanted = _ANY_IDINTERNO if provider.options.any_idinterno else _IDINTERNO
    if missing is None and not wanted.match(idinterno):
        missing = sentences.BAD_IDINTERNO
    if missing is not None:
        return Outcome(-99, missing)
    if call.hits.take != "all":  # half of one message is none
        return Outcome(0, sentences.OK)
    account, now = account_of(provider, call), provider.clock.now()
    due = _due(parameters.text("fechadesde"), now)
    post.extras = _extras(parameters.raw("html"), texto, parameters.text("fechadesde"))
    verdict = account.take_one(post, idinterno.encode(), tos.encode() + b"\t" + texto, due)
    if verdict is None:
        return Outcome(0, sentences.OK)
    return Outcome(sentences.code_of(verdict), f"{tos}: {verdict}")


def _due(fechadesde: str, now: float) -> float:
    """When it goes out: a date of another form, or that does not exist, means at once (guide, FECHADESDE)."""
    if not _FECHADESDE.fullmatch(fechadesde):
        return now
    try:
        return max(float(clock.parse_iso(fechadesde)), now)
    except ValueError:
        return now


def _extras(html: bytes | None, texto: bytes, fechadesde: str) -> dict[str, str]:
    """What the ledger keeps beside the message: the content and the link made for it, and the date asked for."""
    extras = {"fechadesde": fechadesde} if fechadesde else {}
    if html:
        extras["html"] = html.decode("utf-8")
        if LINK_MARK.encode() in texto:
            link = int(fraction(html + texto, 1) * _LINK_DIGITS)
            extras["link"] = LINK_MARK.replace("000000", f"{link:06x}")
    return extras
