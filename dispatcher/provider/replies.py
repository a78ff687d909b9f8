"""Replies as the inbox hands them out: text, "xls compatible", rows of the Web Service. Pure.

Guide "Recepción de mensajes vía HTTP (PULL)". The texts are what people wrote, so nothing in one may stop the reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dispatcher.domain.window import provider_local
from dispatcher.errors import AnswerError
from dispatcher.provider import answers, html_table


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: `id` is the ID SMS MASIVOS, `fecha` naive provider time (GMT-3), `idinterno` that of the message it
    answers, None when there is none or it was not asked for."""

    id: int
    origen: str
    texto: str
    fecha: datetime
    idinterno: str | None = None


class Replies(list[Reply]):
    """The replies of one answer, as the provider orders them: the newest first.

    `malformed` counts the lines or rows that were no reply, `repaired` the characters that had to be replaced.
    """

    malformed: int
    repaired: int

    def __init__(self, replies: Iterable[Reply] = (), malformed: int = 0, repaired: int = 0) -> None:
        """Hold `replies` in the order in which the provider gave them."""
        super().__init__(replies)
        self.malformed, self.repaired = malformed, repaired


LONGEST_REPLY = 1024 * 1024
"""Bytes of an answer in which a reply must begin; one has a few hundred."""

_END = r"(?:\r\n|\n|\r)"
_FECHA = r"\d{4}-\d\d-\d\d\s+\d\d:\d\d:\d\d"
_AFTER_TEXT = rf"\t(?P<fecha>{_FECHA})\t(?P<id>\d{{1,18}})(?:\t(?P<idinterno>[^\t\r\n]*+)|[ ]*+)(?:{_END}|\Z)"
# Most replies are one line without tabs in their text, and this finds those ten times faster.
_SIMPLE_RECORD = re.compile(rf"(?P<origen>\+?\d{{1,20}})\t(?P<texto>[^\t\r\n]*){_AFTER_TEXT}", re.ASCII)
# A text may have tabs and line ends of its own, but no line in it begins like another reply.
_HEAD = re.compile(r"(\+?\d{1,20})\t", re.ASCII)
_TAIL = re.compile(_AFTER_TEXT, re.ASCII)
_NEXT_HEAD = re.compile(rf"{_END}\+?\d{{4,20}}\t", re.ASCII)
_LINE = re.compile(rf"[^\r\n]*(?:{_END}|\Z)")
_NEXT_REPLY = re.compile(rb"(?:\r\n|\n|\r)(?=\+?\d{4,20}\t)")
_ORIGEN = re.compile(r"\+?\d{1,20}", re.ASCII)
_ID = re.compile(r"\d{1,18}", re.ASCII)


def parse_text(body: bytes, *, framed: bool) -> Replies:
    """Lines `NUMERO TAB TEXTO TAB FECHA TAB ID [TAB ID INTERNO]`; an empty body is an empty inbox.

    Raises what `slices` and `require_no_page` raise.
    """
    replies, strangers = Replies(), list[str]()
    for slice_ in slices([body], framed=framed):
        found, odd = parse_slice(slice_)
        replies += found
        replies.malformed += found.malformed
        strangers += odd
    require_no_page(strangers, some=bool(replies))
    return replies


def slices(chunks: Iterable[bytes], *, framed: bool) -> Iterator[bytes]:
    """Cut an answer of lines, however long, into slices that each begin with a reply and end with one.

    `framed` says whether the transport proves that the answer is whole: without that, an empty one proves nothing, and
    neither does a last line without an end. Raises `AnswerError` for those, when every slice before was yielded, and
    for more than `LONGEST_REPLY` bytes in which no reply begins.
    """
    rest, some = b"", False
    for chunk in chunks:
        rest += chunk
        begins = 0
        for begin in _NEXT_REPLY.finditer(rest):
            begins = begin.end()
        if begins:
            yield rest[:begins]
            rest, some = rest[begins:], True
        if len(rest) > LONGEST_REPLY:
            raise AnswerError(reason="too_large", words=answers.words_of(rest))
    if not framed and not rest.endswith((b"\n", b"\r")):
        raise AnswerError("The answer may have been cut.", reason="cut" if some or rest.strip() else "empty")
    if rest:
        yield rest


def parse_slice(slice_: bytes) -> tuple[Replies, list[str]]:
    """Every reply in a slice, and the lines that belong to none."""
    return _records(answers.decode(slice_))


def require_no_page(strangers: Sequence[str], *, some: bool) -> None:
    """Raise `AnswerError` when the lines that belong to no reply are a page, or the whole answer is a sentence.

    They are all that is looked at: a person may well write "<html>". `some` says whether there were any replies.
    """
    rest = "\n".join(strangers).encode("latin-1")
    if rest and answers.is_html(rest):
        raise AnswerError(reason="html", words=answers.words_of(rest))
    if rest and not some:
        raise answers.no_result_line(rest)


def parse_excel(body: bytes, *, framed: bool) -> Replies:
    """The same as an HTML table with the columns in the guide's order, or as tab-separated text by another name.

    Raises `AnswerError` for a page without such a table, and for a table that breaks off.
    """
    text = answers.decode(body)
    if "<table" not in text.lower():
        return parse_text(body, framed=framed)
    table = html_table.rows(text)
    if table is None:
        raise AnswerError("The table breaks off.", reason="cut", words=answers.words_of(body))
    titles = [row for row in table if row[0].strip().upper() == "NUMERO"]
    rows = [row for row in table if row[0].strip().upper() != "NUMERO" and any(cell.strip() for cell in row)]
    replies = [reply for reply in map(_of_cells, rows) if reply is not None]
    if rows and not replies:
        if refused := answers.refusal(" ".join(cell.strip() for row in rows for cell in row)):
            raise refused
        if not titles:
            raise AnswerError(reason="html", words=answers.words_of(body))
    return Replies(replies, malformed=len(rows) - len(replies))


def of_rows(rows: Iterable[Any], repaired: int = 0) -> Replies:
    """The `clsRespuesta` rows of the Web Service (guide "Recepción de mensajes vía Web Service (PULL)").

    Raises `AnswerError` when the only text is that of rows from nobody: those are the provider's own words.
    """
    given = [row for row in rows if row is not None]
    replies = [reply for reply in map(_of_row, given) if reply is not None]
    if not replies and (words := " ".join(_text_of(row) for row in given if _is_from_nobody(row)).strip()):
        raise answers.refusal(words) or AnswerError(reason="sentence", words=words)
    return Replies(replies, malformed=len(given) - len(replies), repaired=repaired)


def _records(text: str) -> tuple[Replies, list[str]]:
    """Every reply in `text`, and the lines that belong to none."""
    replies, strangers, at = Replies(), [], 0
    tails, heads = _Ahead(_TAIL, text), _Ahead(_NEXT_HEAD, text)
    while at < len(text):
        simple = _SIMPLE_RECORD.match(text, at)
        if simple:
            reply, end = _reply(**simple.groupdict()), simple.end()
        else:
            reply, end = _of_lines(text, at, tails, heads)
        if reply is None:
            line = _LINE.match(text, at)
            assert line is not None
            end = line.end()
            if stranger := line[0].strip():
                strangers.append(stranger)
        else:
            replies.append(reply)
        at = end
    replies.malformed = len(strangers)
    return replies, strangers


class _Ahead:
    """The next place of a pattern in a text, for questions that only ever move forward: each character is read once."""

    def __init__(self, pattern: re.Pattern[str], text: str) -> None:
        self._pattern, self._text = pattern, text
        self._found: re.Match[str] | None = None
        self._exhausted = False

    def at(self, position: int) -> re.Match[str] | None:
        """The first match that begins at `position` or later."""
        if not self._exhausted and (self._found is None or self._found.start() < position):
            self._found = self._pattern.search(self._text, position)
            self._exhausted = self._found is None
        return self._found


def _of_lines(text: str, at: int, tails: _Ahead, heads: _Ahead) -> tuple[Reply | None, int]:
    """The reply that begins at `at` and whose text has tabs or line ends, and where it ends."""
    head = _HEAD.match(text, at)
    tail = tails.at(head.end()) if head else None
    if head is None or tail is None or _moment(tail["fecha"]) is None:
        return None, at
    other = heads.at(head.end())
    if other is not None and other.start() < tail.start():
        return None, at
    texto = text[head.end() : tail.start()]
    return _reply(head[1], texto, tail["fecha"], tail["id"], tail["idinterno"]), tail.end()


def _of_cells(cells: Sequence[str]) -> Reply | None:
    if len(cells) not in (4, 5):
        return None
    origen, texto, fecha, number, *idinterno = cells
    origen, fecha, number = origen.strip(), fecha.strip(), number.strip()
    if not _ORIGEN.fullmatch(origen) or not _ID.fullmatch(number) or not re.fullmatch(_FECHA, fecha, re.ASCII):
        return None
    return _reply(origen=origen, texto=texto, fecha=fecha, id=number, idinterno=next(iter(idinterno), None))


def _of_row(row: Any) -> Reply | None:
    numero, number, fecha = (getattr(row, name, None) for name in ("numero", "idsms", "fecha"))
    # .NET writes 0 where nothing was set.
    if not numero or not number or not isinstance(fecha, datetime):
        return None
    local = fecha if fecha.tzinfo is None else provider_local(fecha).replace(tzinfo=None)
    idinterno = getattr(row, "idinterno", None)
    return Reply(int(number), str(numero), _text_of(row), local.replace(microsecond=0), idinterno or None)


def _text_of(row: Any) -> str:
    return getattr(row, "texto", None) or ""


def _is_from_nobody(row: Any) -> bool:
    return not getattr(row, "numero", None) and not getattr(row, "idsms", None)


def _moment(fecha: str) -> datetime | None:
    try:
        return datetime.fromisoformat(" ".join(fecha.split()))
    except ValueError:
        return None


def _reply(origen: str, texto: str, fecha: str, id: str, idinterno: str | None) -> Reply | None:
    moment = _moment(fecha)
    return None if moment is None else Reply(int(id), origen, texto, moment, (idinterno or "").strip() or None)
