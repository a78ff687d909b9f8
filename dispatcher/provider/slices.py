"""A streamed status answer as slices that end at line ends. Pure: iterables of bytes in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dispatcher.errors import AnswerError
from dispatcher.provider.answers import decode, is_html, is_pending, no_result_line, words_of
from dispatcher.provider.codes import sentence_to_code

LINE_LIMIT = 1 << 16
"""Bytes that one line may have; a result line has about 200."""


def line_slices(chunks: Iterable[bytes], *, framed: bool) -> Iterator[bytes]:
    """Cut a status answer into slices that each end with a line end; PENDIENTE yields none.

    `framed` says whether the transport itself proves that the answer is whole (a length or chunks). Without
    that, an unterminated last line may be half a line, and is only yielded when its sentence is recognised.
    Raises `AnswerError` for an empty answer, an HTML page (even one that begins after good lines, as classic
    ASP does when a script fails half-way), an answer without any result line, and a line without an end.
    """
    tail, seen = b"", False
    for chunk in chunks:
        whole, tail = _cut(tail + chunk)
        if whole.strip():
            yield from _checked(whole, first=not seen)
            seen = True
        if len(tail) > LINE_LIMIT:
            raise _page_or(AnswerError(reason="garbage", words=words_of(tail)), tail)
    if tail.strip():
        if seen and b"\t" not in tail and is_html(tail):
            raise AnswerError(reason="html", words=words_of(tail))
        if not framed and (seen or b"\t" in tail) and not _recognised(tail):
            raise AnswerError("The answer may have been cut in its last line.", reason="cut")
        yield from _checked(tail + b"\r\n", first=not seen)
    elif not seen:
        raise AnswerError(reason="empty")


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """Split after the last line end. A CR at the very end waits, since its LF may be in the next chunk."""
    at = data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, -1) + 1
    return data[:at], data[at:]


def _checked(slice_: bytes, *, first: bool) -> Iterator[bytes]:
    if first and is_pending(slice_):
        return
    if first and is_html(slice_):
        raise AnswerError(reason="html", words=words_of(slice_))
    if first and b"\t" not in slice_:
        raise no_result_line(slice_)
    # A result line begins with an idinterno, never with a tag.
    page = 0 if slice_.startswith(b"<") else slice_.find(b"\n<") + 1
    if page == 0 and not slice_.startswith(b"<"):
        yield slice_
        return
    if page:
        yield slice_[:page]
    raise AnswerError("The answer ends in an error page.", reason="html", words=words_of(slice_[page:]))


def _recognised(line: bytes) -> bool:
    fields = decode(line).strip().split("\t", 2)
    return len(fields) == 3 and sentence_to_code(fields[2])[1]


def _page_or(error: AnswerError, body: bytes) -> AnswerError:
    return AnswerError(reason="html", words=words_of(body)) if is_html(body) else error
