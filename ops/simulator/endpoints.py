"""The guide's endpoints: a call in, an answer out. No HTTP here, and no faults but what they take."""

from __future__ import annotations

import random

from ops.simulator import answers, bloque, clock, inbox, sentences, unit
from ops.simulator.answers import Answer
from ops.simulator.calls import Call, Endpoint, account_of
from ops.simulator.forms import Parameters
from ops.simulator.provider import Provider
from ops.simulator.status import TooLarge


def bulk(provider: Provider, call: Call) -> Answer:
    """enviar_sms_bloque.asp: takes every well-formed line, answers OK (guide: "en bloque, POST")."""
    block = call.parameters.raw("bloque")
    if not block:
        return answers.text(sentences.MISSING_BLOCK)
    post = call.post
    if post is None:
        raise ValueError("a bulk call needs its ledger entry")
    account, now = account_of(provider, call), provider.clock.now()
    lines = bloque.split_lines(block)
    post.offered = len(lines)
    post.test = call.parameters.flag("test")
    if provider.options.refuse_calls:
        account.process(now)
        closed = account.closed(now)
        if closed is not None:
            return answers.text(closed)
    if call.hits.take != "none":
        taken = lines[: len(lines) // 2] if call.hits.take == "half" else lines
        account.take(
            post,
            taken,
            bloque.separator_of(call.parameters.text("separadorcampos")),
            late=sum(fault.seconds or 0 for fault in call.hits.of(("late",))),
            backlog=sum(fault.backlog for fault in call.hits.of(("late",))),
            copies=max((fault.copies for fault in call.hits.of(("repeat",))), default=1),
            lose=max((fault.share for fault in call.hits.of(("ignore",))), default=0.0),
        )
    return answers.text(provider.options.ok_answer)


def status(provider: Provider, call: Call) -> Answer:
    """obtener_respuestaapi_bloque.asp: rows by idinterno or by fecha, or PENDIENTE."""
    options, parameters = provider.options, call.parameters
    account = account_of(provider, call)
    account.process(provider.clock.now())
    unread, mark = parameters.flag("solonoleidos"), parameters.flag("marcarcomoleidos")
    idinterno = parameters.text("idinterno")
    if idinterno:
        pieces = [account.book.by_idinterno(idinterno, only_unread=unread, mark=mark)]
    elif parameters.raw("fecha") is None:
        return answers.text(sentences.MISSING_QUESTION)
    else:
        second = clock.parse_stamp(parameters.text("fecha"))
        try:
            pieces = (
                []
                if second is None
                else account.book.by_fecha(
                    second, options.fecha_reading, only_unread=unread, mark=mark, limit=options.max_answer
                )
            )
        except TooLarge:
            return answers.ANSWER_TOO_LARGE
    shuffled = options.shuffle_rows or call.hits.first(("shuffle",)) is not None
    dice = random.Random(options.seed + provider.calls.total()) if shuffled else None
    return answers.rows(pieces, trailing_crlf=options.trailing_crlf, shuffle=dice)


def date(provider: Provider, call: Call) -> Answer:
    """get_fecha.asp: the server's date, no credentials."""
    return answers.text(clock.iso(provider.clock.now()))


def saldo(provider: Provider, call: Call) -> Answer:
    """obtener_saldo.asp: SMS left of a prepaid plan, a bare integer."""
    account = account_of(provider, call)
    account.process(provider.clock.now())
    left = account.plan.left()
    return answers.text(sentences.NO_PREPAID if left is None else str(left))


def vencimiento(provider: Provider, call: Call) -> Answer:
    """obtener_vencimiento_paquete.asp: the package's last day, `YYYY-MM-DD`."""
    day = provider.options.contract_expires
    return answers.text(sentences.NO_PREPAID if day is None else day.isoformat())


def envios(provider: Provider, call: Call) -> Answer:
    """obtener_envios.asp: SMS sent in the current month, a bare integer."""
    account = account_of(provider, call)
    now = provider.clock.now()
    account.process(now)
    return answers.text(str(account.plan.sent_this_month(now)))


def notice(provider: Provider, call: Call) -> Answer:
    """Where the redirect fault leads: an OK that proves nothing."""
    return answers.text(sentences.OK)


# By file name, in lower case: IIS does not care about case. `soap` has the pages below /ws.
ENDPOINTS: dict[str, Endpoint] = {
    "enviar_sms_bloque.asp": Endpoint("bulk", bulk, posts="bulk"),
    "enviar_sms.asp": Endpoint("unit", unit.send, posts="http"),
    "obtener_sms_entrada.asp": Endpoint("inbox", inbox.pull),
    "obtener_respuestaapi_bloque.asp": Endpoint("status", status),
    "get_fecha.asp": Endpoint("date", date, credentials=False),
    "obtener_saldo.asp": Endpoint("saldo", saldo),
    "obtener_vencimiento_paquete.asp": Endpoint("vencimiento", vencimiento),
    "obtener_envios.asp": Endpoint("envios", envios),
    "aviso.asp": Endpoint("notice", notice, credentials=False),
}


def name_of(endpoint: Endpoint, parameters: Parameters) -> str:
    """The name that fault selectors and call counts use: questions about results say what they ask by."""
    if endpoint.name != "status":
        return endpoint.name
    return "status_idinterno" if parameters.text("idinterno") else "status_fecha"
