"""Replies pulled from the provider's Web Service (guide "Recepción de mensajes … (PULL)").

A room of its own, since zeep takes 15 MB, and most processes that pull replies do without it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Unpack

import zeep.exceptions

from dispatcher.errors import AnswerError
from dispatcher.provider import answers, envelopes, replies
from dispatcher.provider.call import Call
from dispatcher.provider.deadline import Deadline
from dispatcher.provider.exchange import ask
from dispatcher.provider.inbox import Flags
from dispatcher.provider.replies import Replies
from dispatcher.provider.webservice import Fields, NoEnvelope, Unreadable, WebService

log = logging.getLogger(__name__)

_RECEIVE = "RecibirSMS"


class SoapInbox:
    """The Web Service's RecibirSMS for one user."""

    def __init__(
        self, url: str, usuario: str, clave: str, *, timeout: float = 60.0, ca_bundle: str | None = None
    ) -> None:
        """Check the settings without connecting; `UsageError` when they cannot work. See `SoapSender`."""
        self._service = WebService(url, usuario, clave, timeout=timeout, ca_bundle=ca_bundle)

    def __repr__(self) -> str:
        """Name the Web Service and never the user's clave."""
        return f"SoapInbox({self._service.url!r})"

    def batches(self, origen: str | None = None, **flags: Unpack[Flags]) -> Iterator[Replies]:
        """See `Inbox.batches`; there is one, since an envelope is read as a whole."""
        yield self.pull(origen, **flags)

    def pull(self, origen: str | None = None, **flags: Unpack[Flags]) -> Replies:
        """See `Inbox.pull`; one POST, which is a question all the same. `LARGEST_ANSWER` is the limit."""
        deadline = Deadline(self._service.timeout)
        self._service.ready(deadline)
        call = Call(max(deadline.remaining(), 0.001))
        wanted: Fields = {
            "origen": origen or "",
            "solonoleidos": flags.get("only_unread", False),
            "marcarcomoleidos": flags.get("mark_read", False),
            "traeridinterno": flags.get("with_idinterno", True),
        }

        return ask(call, lambda: self._replies(wanted, call), self._service.clave)

    def close(self) -> None:
        """Close the calling thread's connections; the next call opens new ones."""
        self._service.close()

    def _replies(self, wanted: Fields, call: Call) -> Replies:
        try:
            answer = self._service.call(_RECEIVE, wanted, call, fresh=False, repair=True)
        except NoEnvelope as error:
            status, body = error.args
            answers.require_answer(status, body)
            raise answers.no_result_line(body) from None
        except zeep.exceptions.Fault as fault:
            words = str(fault.message or "")
            raise answers.refusal(words) or AnswerError(reason="soap_fault", words=words) from None
        except Unreadable as error:
            # These may be the words of people, so the error quotes nothing but a refusal.
            raise answers.refusal(envelopes.words(error.args[0])) or AnswerError(reason="garbage") from None
        if answer.repaired:
            log.warning("inbox_repaired characters=%s", answer.repaired)
        rows = _rows(answer.result)
        if not rows:
            _require_empty_inbox(answer.envelope)
        return replies.of_rows(rows, repaired=answer.repaired)


def _rows(result: Any) -> list[Any]:
    """The `clsRespuesta` rows of a result; zeep gives None for an empty array and for a missing one."""
    if result is None:
        return []
    return list(result if isinstance(result, list) else result.clsRespuesta or [])


def _require_empty_inbox(envelope: bytes) -> None:
    """Raise `AnswerError` unless an answer without rows is that of an empty inbox: an empty array and no words."""
    if words := envelopes.words(envelope):
        raise answers.refusal(words) or AnswerError(reason="sentence", words=words)
    if not envelopes.has_result(envelope, f"{_RECEIVE}Result"):
        raise AnswerError(
            "The Web Service gave no list of replies, not even an empty one.",
            reason="empty",
            hint=answers.CREDENTIALS_HINT,
        )
