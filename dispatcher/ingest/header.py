"""The headings of delimited text: where they stand, and what divides them. Pure.

A list may begin with blank lines, a title, or a `sep=;` line of a spreadsheet; its lines may be in quotes as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.ingest import quotes
from dispatcher.ingest.reading import HEADER_ROWS, Reading, looks_like_number
from dispatcher.ingest.remarks import Remark

SEPARATORS = (",", ";", "\t", "|")
RARE_SEPARATORS = (":", "^", "~", "¦", "#", "*")
"""Taken only when they divide off a known heading: they also stand in ordinary headings."""

MAX_HEADER = 128 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f]")
_WRAPPED = re.compile(r'[ \t]*"((?:[^"]|"")*+)"[ \t;,|]*')
_APOSTROPHES = re.compile(r"'[^']{1,200}'")
_BLANK = " \t\r\n\x1a\u00a0\ufeff\u200b"
_HINT = (
    "expected CSV text with the headings in the first line, XLSX, or JSONL; "
    "save the list as 'CSV UTF-8' or XLSX and try again"
)


@dataclass(frozen=True)
class Header:
    """The headings that were found.

    Attributes:
        columns: the headings.
        separator: what divides them.
        lines: how many lines they and all above them take.
        wrapped: whether each line is in quotes as a whole.
        apostrophes: whether each value is in single quotes.
        known: whether one of them heads the numbers.
        remarks: what should be said.
    """

    columns: Sequence[str]
    separator: str
    lines: int
    wrapped: bool = False
    known: bool = False
    remarks: Sequence[Remark] = field(default=())
    apostrophes: bool = False


def find_header(lines: Sequence[str], name: str, reading: Reading, *, whole: bool) -> Header:
    """Find the headings in the first lines of a file; UsageError when there are none.

    `whole` tells whether `lines` is all of the file.
    """
    skipped, told = _before_header(lines)
    if skipped == len(lines):
        raise UsageError(worded("{name} is empty", name=name), hint=translated(_HINT))
    if reading.header_row is not None:
        at = reading.header_row - 1
        if not 0 <= at < len(lines) or not lines[at].strip(_BLANK):
            raise UsageError(
                worded(
                    "{name} has no headings in line {header_row}, as --header-row (header_row) says",
                    name=name,
                    header_row=reading.header_row,
                ),
                hint=translated("lines are counted from 1, blank ones too"),
            )
        header = next(_candidates(lines, at, told, name, reading))
    else:
        candidates = list(_candidates(lines, skipped, told, name, reading))
        if not candidates:  # a line `sep=;`, and nothing but blank ones below
            raise UsageError(worded("{name} is empty", name=name), hint=translated(_HINT))
        header = candidates[reading.header_index([each.columns for each in candidates])]
        if header is not candidates[0]:
            above = sum(bool(line.strip(_BLANK)) for line in lines[skipped : header.lines - 1])
            remark = Remark("header_row", {"line": header.lines, "above": max(above, 1)})
            header = replace(header, remarks=(remark,))
    if not header.known and len(header.columns) == 1 and re.search(r"\w\W+\w", header.columns[0]):
        remark = Remark("separator", {"tried": [*SEPARATORS, *RARE_SEPARATORS]})
        return replace(header, remarks=(*header.remarks, remark))
    if len(header.columns) > 1 and all(map(_APOSTROPHES.fullmatch, header.columns)):
        return replace(header, columns=[name[1:-1] for name in header.columns], apostrophes=True)
    return header


def _candidates(lines: Sequence[str], start: int, told: str | None, name: str, reading: Reading) -> Iterator[Header]:
    """Yield the rows that may be the headings: the first with content, from the line at `start` on."""
    at, seen = start, 0
    while at < len(lines) and seen < HEADER_ROWS:
        if not lines[at].strip(_BLANK):
            at += 1
            continue
        if len(lines[at]) > MAX_HEADER:
            if not seen:
                raise UsageError(
                    worded("{name}: its first line has more than {limit} KiB", name=name, limit=MAX_HEADER // 1024),
                    hint=translated("the first line must be the headings: is a line break missing?"),
                )
            return
        taken, text = _row(lines, at)
        if not seen and _CONTROL.search(text):
            raise UsageError(
                worded("{name} is not a table: its first line is not text", name=name), hint=translated(_HINT)
            )
        yield _divided(text, at + taken, told, reading)
        at += taken
        seen += 1


def _before_header(lines: Sequence[str]) -> tuple[int, str | None]:
    """Count the lines above the first row: blank ones, and the `sep=;` line that spreadsheets read and write."""
    for at, line in enumerate(lines):
        text = line.strip(_BLANK).strip('"').lower()
        if text.startswith("sep=") and text[4:] in (*SEPARATORS, *RARE_SEPARATORS):
            return at + 1, text[4:]
        if text == "sep=":
            return at + 1, "\t"
        if text:
            return at, None
    return len(lines), None


def _row(lines: Sequence[str], at: int) -> tuple[int, str]:
    """Return how many lines a row takes (a quoted heading may contain a line break), and its text."""
    text = ""
    for taken, line in enumerate(lines[at : at + quotes.MAX_LINES], 1):
        text += line
        if len(text) > MAX_HEADER:
            break
        row = text.rstrip("\r\n")
        if quotes.split(row, _most_frequent(row)) is not quotes.Broken.OPEN:
            return taken, row
    return 1, lines[at].rstrip("\r\n")


def _divided(text: str, lines: int, told: str | None, reading: Reading) -> Header:
    """Divide a row by the separator that yields a known heading, else by the most frequent one."""
    forms = [(text, False)]
    if wrapped := _WRAPPED.fullmatch(text):
        forms.append((wrapped[1].replace('""', '"'), True))
    for form, is_wrapped in forms:
        likely = _most_frequent(form)
        separators = [told] if told else [likely, *(s for s in (*SEPARATORS, *RARE_SEPARATORS) if s != likely)]
        for separator in separators:
            columns = _split(form, separator)
            labelled = separator in RARE_SEPARATORS and any(map(looks_like_number, columns))  # `tel: 11 4444-5555`
            if len(columns) > 1 and reading.holds_number(columns) and not labelled:
                return Header(columns, separator, lines, is_wrapped, True)
    separator = told or _most_frequent(text)
    columns = _split(text, separator)
    return Header(columns, separator, lines, False, reading.holds_number(columns))


def _split(text: str, separator: str) -> list[str]:
    fields = quotes.split(text, separator)
    return [heading.strip() for heading in (fields if isinstance(fields, list) else text.split(separator))]


def _most_frequent(header: str) -> str:
    bare = re.sub(r'"(?:[^"]|"")*+"', "", header)
    return max(SEPARATORS, key=bare.count)
