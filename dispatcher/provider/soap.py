"""One message by the Web Service (guide "Envío de mensajes vía Web Service"): the same verdicts as over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable

import zeep.exceptions

from dispatcher.errors import AnswerError, InDoubt, NotDelivered
from dispatcher.provider import verdict
from dispatcher.provider.call import Call
from dispatcher.provider.deadline import Deadline
from dispatcher.provider.exchange import post_once
from dispatcher.provider.message import Message, SendResult
from dispatcher.provider.webservice import Fields, NoEnvelope, Unreadable, WebService

log = logging.getLogger(__name__)

_SEND = "EnviarSMS"


class SoapSender:
    """The Web Service's EnviarSMS for one user: deadlines and secrecy as in `HttpProvider`."""

    def __init__(
        self, url: str, usuario: str, clave: str, *, timeout: float = 60.0, ca_bundle: str | None = None
    ) -> None:
        """Check the settings without connecting; `UsageError` when they cannot work.

        `url` is the Web Service's page, `https://host/ws/SMSMasivosAPI.asmx`; its WSDL is read at the first call.
        """
        self._service = WebService(url, usuario, clave, timeout=timeout, ca_bundle=ca_bundle)
        self._told = False

    def __repr__(self) -> str:
        """Name the Web Service and never the user's clave."""
        return f"SoapSender({self._service.url!r})"

    def send(
        self, message: Message, *, guard: Callable[[], None] | None = None, timeout: float | None = None
    ) -> SendResult:
        """Call EnviarSMS once, over a connection of its own; see `Sender.send`.

        The result is `accepted`, `simulated` or `rejected`. Raises as `UnitSender.send`, and `NotOffered` (a
        `UsageError`) when the Web Service has no parameter for what the message asks for. The idinterno alone is left
        out then, since our own record of the message keeps it. `timeout` counts the WSDL too.
        """
        service = self._service
        total = service.timeout if timeout is None else timeout
        deadline = Deadline(total)
        self._make_ready(deadline)
        call = Call(max(deadline.remaining(), 0.001), guard)
        return post_once(call, lambda: self._post(message, call), service.clave)

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        self._service.close()

    def _make_ready(self, deadline: Deadline) -> None:
        failure: NotDelivered
        try:
            return self._service.ready(deadline)
        except AnswerError as error:
            failure = NotDelivered(
                str(error), reason=error.reason, words=error.words, retryable=error.retryable, hint=error.hint
            )
        raise failure

    def _post(self, message: Message, call: Call) -> SendResult:
        try:
            words = self._words(message, call)
        except NoEnvelope as error:
            status, body = error.args
            return verdict.read_answer(status, body)
        except zeep.exceptions.Fault as fault:
            said = str(fault.message or "")
            raise verdict.account_error(said) or InDoubt(reason="soap_fault", words=said) from None
        except Unreadable:
            raise InDoubt(reason="garbage") from None
        return verdict.read_words(words)

    def _words(self, message: Message, call: Call) -> str:
        result = self._service.call(_SEND, self._fields(message), call, fresh=True).result
        return "" if result is None else str(result)

    def _fields(self, message: Message) -> Fields:
        offered = self._service.offered(_SEND)
        idinterno = message.idinterno
        if idinterno and "idinterno" not in offered:
            idinterno = None
            self._tell_once()
        return {
            "numero": message.numero,
            "texto": message.texto,
            "test": message.test,
            "idinterno": idinterno,
            "fechadesde": message.fechadesde_text,
            "html": message.html,
            "respuestanumerica": "respuestanumerica" in offered,  # words serve as well as a code
        }

    def _tell_once(self) -> None:
        if not self._told:
            self._told = True
            log.warning("soap_without_idinterno url=%s", self._service.url)
