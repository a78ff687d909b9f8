"""Finding out how a list is encoded, from all of its bytes: the first accent may stand in row 400,000.

UTF-8 proves itself. Of the code pages, the one is taken in which the words are Spanish: `Garc\\xa1a` is García in CP850
and `Garc¡a` in Windows-1252. Where words speak for two of them, or for none, the list is refused rather than guessed.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest.decoding import CODE_PAGES, TABLES, CodePage, Encoding, without_pasted
from dispatcher.ingest.lines import line_blocks
from dispatcher.ingest.spelling import BAD, likeness

MAX_WORDS = 20_000
"""Distinct words that are weighed. A list that has more of them has decided long before."""

_WORD = re.compile(rb"[A-Za-z'.\x80-\xff]{0,40}[\x80-\xff][A-Za-z'.\x80-\xff]{0,40}")
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x19\x1b-\x1f]")
_ADVICE = "open the list in the program that it comes from, and save it as 'CSV UTF-8' or XLSX"


@dataclass
class _Words:
    """The words with accents in a list, the line of the first of each, and how many lines were UTF-8."""

    utf8_lines: int = 0
    other_lines: int = 0
    seen: Counter[bytes] = field(default_factory=Counter)
    first: dict[bytes, int] = field(default_factory=dict)

    def look(self, data: bytes, number: int) -> None:
        """Take in whole lines that are not all ASCII, the first of them numbered `number`."""
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            for at, line in enumerate(data.split(b"\n"), number):
                if not line.isascii():
                    self._look_at(line, at)
        else:
            self.utf8_lines += data.count(b"\n") + 1

    def _look_at(self, line: bytes, number: int) -> None:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            self.other_lines += 1
        else:
            self.utf8_lines += 1
            return
        for word in _WORD.findall(without_pasted(line)):
            if word in self.seen or len(self.seen) < MAX_WORDS:
                self.seen[word] += 1
                self.first.setdefault(word, number)


def refuse_binary(sample: bytes, name: str) -> None:
    """Raise UsageError for bytes that are no text at all."""
    if sample.count(b"\x00") > len(sample) // 8 or len(_CONTROL.findall(sample[:65536])) > len(sample[:65536]) // 20:
        raise UsageError(
            worded("{name} is not a table: it is not text", name=name),
            hint=worded("give the list itself; {advice}", advice=translated(_ADVICE)),
        )


def find_out(stream: BinaryIO, start: int, name: str, *, old_mac: bool = False) -> Encoding:
    """Return the encoding of `stream` from the byte `start` on; UsageError when it is in doubt."""
    stream.seek(start)
    words = _Words()
    number = 1
    for data, _ in line_blocks(stream, old_mac=old_mac):
        if not data.isascii():
            words.look(data, number)
        number += data.count(b"\n")
    if not words.seen:
        return Encoding()
    utf8 = words.utf8_lines >= words.other_lines
    return Encoding(utf8, _code_page(words, name, strict=not utf8))


def _code_page(words: _Words, name: str, *, strict: bool) -> CodePage:
    """Return the code page in which the words are Spanish; UsageError when they are so in two, or in none."""
    demands: dict[CodePage, bytes] = {}  # a word that is Spanish in this code page, and in no other is one at all
    totals: dict[CodePage, float] = dict.fromkeys(CODE_PAGES, 0.0)
    unreadable = 0
    for word, count in words.seen.items():
        scores = {page: likeness(_read(word, page)) for page in CODE_PAGES}
        for page, score in scores.items():
            totals[page] += score * min(count, 100)
        bad = [page for page in CODE_PAGES if scores[page] <= BAD]
        unreadable += len(bad) == len(CODE_PAGES)
        if len(bad) == len(CODE_PAGES) - 1:
            page = next(page for page in CODE_PAGES if page not in bad)
            if scores[page] > 0:
                demands.setdefault(page, word)
    if len(demands) > 1:
        raise _doubt(name, words, demands.values(), demands)
    if demands:
        return next(iter(demands))
    if strict and unreadable > len(words.seen) // 2:
        raise _unknown(name, words)
    page = max(CODE_PAGES, key=lambda page: totals[page])  # of equals the first, Windows-1252
    rival = max((other for other in CODE_PAGES if other != page), key=lambda other: totals[other])
    if page != "cp1252" and totals[rival] * 4 > totals[page]:
        raise _doubt(name, words, list(words.seen)[:1], (page, rival))
    return page


def _read(word: bytes, page: CodePage) -> str:
    return codecs.charmap_decode(word, "strict", TABLES[page])[0]


def _doubt(name: str, words: _Words, examples: Iterable[bytes], pages: Iterable[CodePage]) -> UsageError:
    pages = list(pages)
    told = [
        worded(
            "{readings} in line {line}",
            readings=worded(" or ").join(f"{_read(word, page)!r} ({CODE_PAGES[page]})" for page in pages),
            line=words.first[word],
        )
        for word in examples
    ]
    return UsageError(
        worded("{name}: its encoding is in doubt, {readings}", name=name, readings=worded(" and ").join(told)),
        hint=worded("nothing was loaded; {advice}", advice=translated(_ADVICE)),
    )


def _unknown(name: str, words: _Words) -> UsageError:
    sample = b" ".join(list(words.seen)[:2_000])
    from charset_normalizer import from_bytes  # slow to import, and hardly ever needed

    best = from_bytes(sample).best()
    guess = worded("; it may be {encoding}", encoding=best.encoding) if best is not None else ""
    word = next(iter(words.seen))
    return UsageError(
        worded(
            "{name} is in none of the encodings of Spanish lists (UTF-8, {encodings}){guess}: line {line} has {word!r}",
            name=name,
            encodings=", ".join(CODE_PAGES.values()),
            guess=guess,
            line=words.first[word],
            word=_read(word, "cp1252")[:40],
        ),
        hint=translated(_ADVICE),
    )
