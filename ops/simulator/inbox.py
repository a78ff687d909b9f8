"""Replies that people sent, and the page that hands them out (guide: "Recepción de mensajes vía HTTP (PULL)").

`formato=excel` is an HTML table under a spreadsheet's content type, as classic ASP makes "xls compatible" answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ops.simulator import clock
from ops.simulator.answers import CRLF, Answer
from ops.simulator.calls import Call, account_of
from ops.simulator.forms import Parameters
from ops.simulator.provider import Provider
from ops.simulator.replies import Reply

EXCEL = {"Content-Type": "application/vnd.ms-excel", "Content-Disposition": "attachment; filename=entrada.xls"}
_TITLES = ("NUMERO", "TEXTO", "FECHA", "ID SMS MASIVOS", "ID INTERNO")

# What would break a row; every other control character comes through.
_BREAKS = re.compile(r"\r\n|[\t\r\n]")


@dataclass(frozen=True)
class Question:
    """What a pull asks for."""

    origen: str
    only_unread: bool
    mark: bool
    with_idinterno: bool

    @classmethod
    def of(cls, parameters: Parameters) -> Question:
        """Read the guide's four parameters."""
        return cls(
            origen=parameters.text("origen"),
            only_unread=parameters.flag("solonoleidos"),
            mark=parameters.flag("marcarcomoleidos"),
            with_idinterno=parameters.flag("traeridinterno"),
        )


def pull(provider: Provider, call: Call) -> Answer:
    """obtener_sms_entrada.asp: one line a reply, the newest first; nothing at all when there is none."""
    question = Question.of(call.parameters)
    replies = ask(provider, call, question)
    rows = [_row(provider, reply, question.with_idinterno) for reply in replies]
    if call.parameters.text("formato").lower() == "excel":
        return Answer(200, _table(rows, _TITLES[: 5 if question.with_idinterno else 4]), EXCEL)
    body = b"".join("\t".join(row).encode("latin-1", "replace") + CRLF for row in rows)
    return Answer(200, body if provider.options.trailing_crlf else body.removesuffix(CRLF))


def ask(provider: Provider, call: Call, question: Question) -> list[Reply]:
    """The account's replies that the question wants, and their read flags as it wants them."""
    box = provider.inbox(account_of(provider, call).name)
    return box.ask(question.origen, only_unread=question.only_unread, mark=question.mark)


def _row(provider: Provider, reply: Reply, with_idinterno: bool) -> list[str]:
    texto = reply.texto
    if not provider.options.raw_replies:
        texto = _BREAKS.sub(" ", texto)
    row = [reply.origen, texto, clock.iso(reply.received), str(reply.number)]
    return [*row, reply.idinterno] if with_idinterno else row


def _table(rows: Sequence[Sequence[str]], titles: Sequence[str]) -> bytes:
    lines = [_tr("th", titles), *(_tr("td", row) for row in rows)]
    table = "\r\n".join(["<table border=1>", *lines, "</table>", ""])
    return table.encode("latin-1", "xmlcharrefreplace")


def _tr(kind: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"
