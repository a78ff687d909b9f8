"""One message by the Web Service (guide "Envío de mensajes vía Web Service"): the same verdicts as over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import zeep.exceptions

from dispatcher.errors import AnswerError, InDoubt, NotDelivered
from dispatcher.provider import verdict
from dispatcher.provider.call import Call
from dispatcher.provider.deadline import Deadline
from dispatcher.provider.exchange import post_once
from dispatcher.provider.message import Message, NotOffered, SendResult
from dispatcher.provider.webservice import Fields, NoEnvelope, WebService


class SoapSender:
    """The Web Service's EnviarSMS for one user: deadlines and secrecy as in `HttpProvider`."""

    def __init__(
        self, url: str, usuario: str, clave: str, *, timeout: float = 60.0, ca_bundle: str | None = None
    ) -> None:
        """Check the settings without connecting; `UsageError` when they cannot work.

        `url` is the Web Service's page, `https://host/ws/SMSMasivosAPI.asmx`; its WSDL is read at the first call.
        """
        self._service = WebService(url, usuario, clave, timeout=timeout, ca_bundle=ca_bundle)

    def __repr__(self) -> str:
        """Name the Web Service and never the user's clave."""
        return f"SoapSender({self._service.url!r})"

    def send(
        self, message: Message, *, guard: Callable[[], None] | None = None, timeout: float | None = None
    ) -> SendResult:
        """Call EnviarSMS once, over a connection of its own; see `Sender.send`.

        The result is `accepted`, `simulated` or `rejected`. Raises as `UnitSender.send`, and `NotOffered` (a
        `UsageError`) when the Web Service has no such parameter: nothing is left out in silence. `timeout` counts the
        WSDL too.
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
        except zeep.exceptions.Error:
            raise InDoubt(reason="garbage") from None
        return verdict.read_words(words or "")

    def _words(self, message: Message, call: Call) -> str | None:
        wanted = _fields(message)
        try:
            said = self._service.call("EnviarSMS", {**wanted, "respuestanumerica": True}, call, fresh=True)
        except NotOffered:
            # Words serve as well as a code.
            said = self._service.call("EnviarSMS", wanted, call, fresh=True)
        return None if said is None else str(said)


def _fields(message: Message) -> Fields:
    return {
        "numero": message.numero,
        "texto": message.texto,
        "test": message.test,
        "idinterno": message.idinterno,
        "fechadesde": message.fechadesde_text,
        "html": message.html,
    }
