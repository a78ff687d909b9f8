"""The bulk field into lines: `idinterno SEP destino SEP texto`, malformed lines set aside silently."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_IDINTERNO = 50
_IDINTERNO = re.compile(rb"[0-9A-Za-z]{1,50}\Z").match


@dataclass(frozen=True, slots=True)
class Ignored:
    """A line that the provider drops silently; only the ledger knows why."""

    raw: bytes
    reason: str


@dataclass(slots=True)
class Lines:
    """Well-formed lines as two columns: idinterno, and `destino TAB texto` whatever separator came."""

    ids: list[bytes] = field(default_factory=list)
    rests: list[bytes] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)


def split_lines(block: bytes) -> list[bytes]:
    """Lines end in CRLF, LF or CR; empty ones are no lines."""
    return list(filter(None, block.splitlines()))


def separator_of(name: str) -> bytes:
    """SEPARADORCAMPOS: `tab`, anything else is the default `coma`."""
    return b"\t" if name.lower() == "tab" else b","


def parse(lines: list[bytes], separator: bytes) -> Lines:
    """Split every line; the common case, where all are well formed, stays inside list comprehensions."""
    try:
        pairs = [line.split(separator, 1) for line in lines]
        ids = [idinterno for idinterno, _ in pairs]
        rests = [rest for _, rest in pairs]
    except ValueError:
        return _parse_each(lines, separator)
    if not _all_ids_good(ids) or not all(_has_both_fields(rest, separator) for rest in rests):
        return _parse_each(lines, separator)
    if separator != b"\t":
        rests = [rest.replace(separator, b"\t", 1) for rest in rests]
    return Lines(ids, rests)


def _all_ids_good(ids: list[bytes]) -> bool:
    return not ids or (b"".join(ids).isalnum() and min(map(len, ids)) > 0 and max(map(len, ids)) <= MAX_IDINTERNO)


def _has_both_fields(rest: bytes, separator: bytes) -> bool:
    return 0 < rest.find(separator) < len(rest) - 1


def _parse_each(lines: list[bytes], separator: bytes) -> Lines:
    result = Lines()
    for line in lines:
        fields = line.split(separator, 2)
        reason = _fault_of(fields)
        if reason:
            result.ignored.append(Ignored(line, reason))
        else:
            result.ids.append(fields[0])
            result.rests.append(fields[1] + b"\t" + fields[2])
    return result


def _fault_of(fields: list[bytes]) -> str | None:
    if len(fields) != 3:
        return "fields"
    if not _IDINTERNO(fields[0]):
        return "idinterno"
    if not fields[1] or not fields[2]:
        return "empty"
    return None
