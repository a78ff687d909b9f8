"""What the provider's answers say. Pure: bytes in, values or typed errors out.

Answers are ISO-8859-1 whatever their headers say, and classic ASP labels everything text/html, so an HTML
page is known by its content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from dispatcher.errors import (
    WORDS_LIMIT,
    AccountBlocked,
    AnswerError,
    CredentialsRefused,
    InDoubt,
    ProviderError,
)
from dispatcher.provider.codes import AccountScope, account_scope, sentence_to_code

CREDENTIALS_HINT = (
    "Check DISPATCHER_APIKEY (for the Web Service DISPATCHER_USUARIO and DISPATCHER_CLAVE) against the panel, "
    "Mi cuenta -> Seguridad."
)
IP_HINT = "Allow this machine's public IP in the panel, Mi cuenta -> Seguridad."
URL_HINT = "Check DISPATCHER_PROVIDER_URL."

HINTS: dict[AccountScope, str] = {
    "credentials": CREDENTIALS_HINT,
    "ip": IP_HINT,
    "credit": "Buy more messages, then resume the account.",
    "contract": "Renew the contract, then resume the account.",
}
_ACCOUNT_SENTENCE_LIMIT = 300
_HTML_START = re.compile(rb"\s*<|.{0,1024}?<\s*(?:!doctype|html|head|body|font|script|title)\b", re.I | re.S)
_LINE_ENDS = re.compile(r"\r\n|\n|\r")
_FECHA = re.compile(r"\d{14}", re.ASCII)
_SERVER_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One line of a status answer: `fecha` is naive provider time (GMT-3), `code` one of the guide's."""

    idinterno: str
    fecha: datetime
    text: str
    code: int


class StatusLines(list[ResultLine]):
    """The result lines of one answer; `malformed` counts the lines that were not result lines."""

    malformed: int

    def __init__(self, lines: Iterable[ResultLine] = (), malformed: int = 0) -> None:
        """Hold `lines` in the order in which the provider gave them."""
        super().__init__(lines)
        self.malformed = malformed


def decode(body: bytes) -> str:
    """The provider's bytes as text: latin-1, explicitly."""
    return body.decode("latin-1")


def words_of(body: bytes) -> str:
    """The beginning of a body, as an error quotes it."""
    return decode(body[:WORDS_LIMIT]).strip()


def is_html(body: bytes) -> bool:
    """Whether a body is, or begins like, an HTML page. No plain answer of the provider begins with a tag."""
    return _HTML_START.match(body) is not None


def is_pending(body: bytes) -> bool:
    """Whether a status answer is the guide's PENDIENTE: no results yet."""
    return body.strip().lower() == b"pendiente"


def read_bulk_answer(status: int, body: bytes) -> None:
    """Return when a bulk post was accepted: HTTP 200 and exactly OK, in any case and padding.

    Raises `CredentialsRefused` (proven not taken), `AccountBlocked` (part may have been taken), `InDoubt` for
    anything else. Guide "Envío de mensajes vía http (en bloque, POST)".
    """
    if require_words(status, body).lower() == "ok":
        return
    words = words_of(body)
    scope = _account_sentence(decode(body))
    if scope in ("credentials", "ip"):
        raise CredentialsRefused(reason=scope, words=words, hint=HINTS[scope])
    if scope is not None:
        raise AccountBlocked(reason=scope, words=words, hint=HINTS[scope])
    raise InDoubt(reason=garbage_or_sentence(body), words=words)


def require_words(status: int, body: bytes) -> str:
    """The text of the answer to a post; `InDoubt` unless it is HTTP 200, some bytes, and no HTML page."""
    if status != 200:
        hint = URL_HINT if status < 500 else None
        raise InDoubt(reason=_status_reason(status), words=words_of(body), hint=hint)
    if not body.strip():
        raise InDoubt(reason="empty")
    if is_html(body):
        raise InDoubt(reason="html", words=words_of(body))
    return decode(body.strip())  # of bytes: latin-1 has blanks of its own, which prove nothing


def require_answer(status: int, body: bytes) -> None:
    """Raise `AnswerError` unless a question got HTTP 200, some bytes, and no HTML page."""
    if status != 200:
        raise AnswerError(reason=_status_reason(status), words=words_of(body), hint=URL_HINT if status < 500 else None)
    if not body.strip():
        raise AnswerError(reason="empty")
    if is_html(body):
        raise AnswerError(reason="html", words=words_of(body))


def no_result_line(body: bytes) -> AnswerError:
    """The error for an answer without the result that was due, with the account's reason if it names one."""
    return refusal(decode(body)) or AnswerError(reason=garbage_or_sentence(body), words=words_of(body))


def refusal(words: str) -> AnswerError | None:
    """The error for a sentence that refuses the account (its key, address, credit or contract); None for any other."""
    scope = _account_sentence(words)
    if scope is None:
        return None
    return AnswerError(reason=scope, words=words.strip(), retryable=False, hint=HINTS[scope])


def parse_status(body: bytes) -> StatusLines:
    """The result lines of a small status answer; empty for PENDIENTE.

    Lines that are not result lines are skipped and counted in `.malformed`. Guide "Comprobación del proceso de
    un envío en bloque".
    """
    if is_pending(body):
        return StatusLines()
    lines = [line for line in _LINE_ENDS.split(decode(body)) if line.strip(" \t")]
    results = [result for result in map(_result_line, lines) if result is not None]
    return StatusLines(results, malformed=len(lines) - len(results))


def parse_server_date(body: bytes) -> datetime:
    """`YYYY-MM-DD HH:MM:SS` as naive provider time; `AnswerError` for anything else."""
    text = decode(body).strip()
    try:
        if _SERVER_DATE.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise no_result_line(body)


def parse_day(body: bytes) -> date:
    """`YYYY-MM-DD`; `AnswerError` for anything else. Guide "Consulta de vencimiento del paquete vía HTTP"."""
    text = decode(body).strip()
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise no_result_line(body)


def parse_integer(body: bytes) -> int:
    """A bare integer; `AnswerError` for anything else. Guide "Consulta de saldo vía HTTP/s"."""
    text = decode(body).strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    raise no_result_line(body)


def scrubbed(error: ProviderError, secret: str) -> ProviderError:
    """`error` with `secret` taken out of the provider's words: some servers echo what they refuse."""
    if error.words and secret:
        error.words = error.words.replace(secret, "***")
    return error


def _account_sentence(words: str) -> AccountScope | None:
    text = words.strip()
    if len(text) > _ACCOUNT_SENTENCE_LIMIT or "\n" in text or "\r" in text or "<" in text:
        return None
    return account_scope(text)


def garbage_or_sentence(body: bytes) -> str:
    """The reason for an unexpected answer: whether it is text at all."""
    text = words_of(body)
    printable = sum(c.isprintable() or c.isspace() for c in text)
    return "sentence" if printable == len(text) else "garbage"


def _status_reason(status: int) -> str:
    return "redirect" if 300 <= status < 400 else f"http_{status}"


def _result_line(line: str) -> ResultLine | None:
    idinterno, _, rest = line.partition("\t")
    idinterno = idinterno.strip(" ")
    fecha, tab, text = rest.partition("\t")
    moment = _parse_fecha(fecha.strip(" "))
    if not tab or not idinterno or moment is None:
        return None
    return ResultLine(idinterno, moment, text, sentence_to_code(text)[0])


def _parse_fecha(digits: str) -> datetime | None:
    if not _FECHA.fullmatch(digits):
        return None
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S")
    except ValueError:
        return None
