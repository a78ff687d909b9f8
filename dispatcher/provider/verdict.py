"""What the provider says of one message, on the unit page and by the Web Service alike. Pure.

Guide "Envío de mensajes vía http (en tiempo real)": with RESPUESTANUMERICA `code;text`, without it `OK` or
`NUMBER: sentence`. Both are read, since a Web Service may not offer the parameter.
"""

from __future__ import annotations

import re

from dispatcher.errors import AccountBlocked, CredentialsRefused, InDoubt, ProviderError
from dispatcher.provider import answers
from dispatcher.provider.codes import CODES, OTHER, account_scope, sentence_to_code, strip_number
from dispatcher.provider.message import SendResult

_NUMERIC = re.compile(r"(-?\d{1,3})\s*;\s*(.*)", re.ASCII)
_LONGEST = 400
"""Characters that one verdict may have."""


def read_answer(status: int, body: bytes) -> SendResult:
    """The verdict in an answer of the unit page; raises as `read_words`, and `InDoubt` for what is not an answer."""
    return read_words(answers.require_words(status, body))


def read_words(words: str) -> SendResult:
    """The verdict in the provider's words.

    Raises `CredentialsRefused` and `AccountBlocked` (one message, so it was not taken), and `InDoubt` for words that
    are no verdict.
    """
    text = words.strip(" \t\r\n")
    if not text:
        raise InDoubt(reason="empty")
    found = _NUMERIC.fullmatch(text)
    if len(text) > _LONGEST or (found is None and len(text.splitlines()) > 1):
        raise _no_verdict(text)
    if found is not None:
        return _numeric(int(found[1]), found[2], text)
    return _plain(text)


def sentence(text: str) -> str:
    """The words of a verdict without the code in front of them: what a status line says of the same message."""
    found = _NUMERIC.fullmatch(text.strip(" \t\r\n"))
    return found[2] if found else text


def account_error(words: str) -> ProviderError | None:
    """The error for a sentence that complains about the account; None for every other one."""
    scope = account_scope(words)
    if scope is None:
        return None
    hint = answers.HINTS[scope]
    if scope in ("credentials", "ip"):
        return CredentialsRefused(reason=scope, words=words, hint=hint)
    return AccountBlocked(reason=scope, words=words, hint=hint, delivered="no")


def _numeric(code: int, sentence: str, text: str) -> SendResult:
    if code == OTHER and (error := account_error(sentence)):
        raise error
    if code in CODES:
        return _result(code, text)
    if code > 0:
        raise _no_verdict(text)
    return _result(OTHER, text)  # a refusal that the guide does not list


def _plain(text: str) -> SendResult:
    if error := account_error(text):
        raise error
    code, known = sentence_to_code(text)
    # What begins with the number is about the message, whether the sentence is known or not.
    if known or strip_number(text) != text:
        return _result(code, text)
    raise _no_verdict(text)


def _no_verdict(text: str) -> InDoubt:
    return InDoubt(reason=answers.garbage_or_sentence(text.encode("latin-1", "replace")), words=text)


def _result(code: int, text: str) -> SendResult:
    if code == 0:
        return SendResult("accepted", code, text)
    return SendResult("simulated" if code == 1 else "rejected", code, text)
