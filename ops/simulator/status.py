"""Result rows and the questions about them (guide: "Comprobación del proceso de un envío en bloque").

Rows are kept one block per batch and second, so that "all since then" is a bisect and a join; the bytes of a block are
made when they are asked for, which is cheaper than keeping them.
What costs more (read flags, a row replaced by a later one) is paid only by the blocks that it touches.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from typing import Literal

from ops.simulator import clock

Reading = Literal["since", "second", "day"]
Results = Literal["both", "first", "last"]
CRLF = b"\r\n"


class TooLarge(Exception):
    """The answer is longer than the server's buffer; `args` are its bytes and the limit."""


class Block:
    """Rows of one second, each ending in CRLF, and which of them were read or replaced."""

    __slots__ = ("_make", "all_read", "hidden", "read", "second", "size")

    def __init__(self, second: int, make: Callable[[], bytes], size: int) -> None:
        self.second, self._make, self.size = second, make, size
        self.all_read = False
        self.read: set[int] = set()
        self.hidden: set[int] = set()

    @property
    def rows(self) -> bytes:
        return self._make()

    def split(self) -> list[bytes]:
        return [row + CRLF for row in self.rows.split(CRLF)[:-1]]

    def take(self, *, only_unread: bool, mark: bool) -> bytes:
        """The block's rows that the question asks for."""
        unread = only_unread and (self.all_read or bool(self.read))
        if not unread and not self.hidden:
            rows = self.rows
        elif only_unread and self.all_read:
            rows = b""
        else:
            rows = b"".join(
                row
                for at, row in enumerate(self.split())
                if at not in self.hidden and not (only_unread and at in self.read)
            )
        self.all_read = self.all_read or mark
        return rows


class StatusBook:
    """Every result of one account, in the order of processing."""

    def __init__(self, results: Callable[[], Results]) -> None:
        self._results = results
        self._blocks: list[Block] = []  # in order of arrival: the index below points here
        self._by_second: list[Block] = []
        self._seconds: list[int] = []
        self._index: dict[bytes, tuple[int, ...]] = {}  # upper-case idinterno -> block << 32 | row
        self._indexed = 0
        self.rows = 0

    def add(self, second: int, rows: Callable[[], bytes], size: int) -> None:
        """Add `size` rows of this second, made at each call; under `first` and `last` a displaced one is hidden."""
        block = Block(second, rows, size)
        if self._results() != "both":
            self._displace(block)
        self._blocks.append(block)
        at = bisect.bisect_right(self._seconds, second)
        self._seconds.insert(at, second)
        self._by_second.insert(at, block)
        self.rows += size

    def _displace(self, block: Block) -> None:
        self._catch_up()
        mine: dict[bytes, int] = {}
        for row, text in enumerate(block.split()):
            idinterno = _id_of(text)
            if self._results() == "first":
                if idinterno in mine or self._index.get(idinterno):
                    block.hidden.add(row)
                mine.setdefault(idinterno, row)
                continue
            if idinterno in mine:
                block.hidden.add(mine[idinterno])
            for earlier in self._index.get(idinterno, ()):
                self._blocks[earlier >> 32].hidden.add(earlier & 0xFFFFFFFF)
            mine[idinterno] = row

    def _catch_up(self) -> None:
        """Index what came since the last question by idinterno; polls by fecha alone never pay for it."""
        index = self._index
        for serial in range(self._indexed, len(self._blocks)):
            for row, text in enumerate(self._blocks[serial].split()):
                key = _id_of(text)
                index[key] = (*index.get(key, ()), serial << 32 | row)
        self._indexed = len(self._blocks)

    def by_idinterno(self, idinterno: str, *, only_unread: bool = False, mark: bool = False) -> bytes:
        """All rows of one idinterno, case-blind, oldest first; b"" when there is none."""
        self._catch_up()
        found = []
        for place in self._index.get(idinterno.upper().encode("utf-8"), ()):
            block, row = self._blocks[place >> 32], place & 0xFFFFFFFF
            if row in block.hidden or (only_unread and (block.all_read or row in block.read)):
                continue
            found.append((block.second, block.rows.split(CRLF)[row] + CRLF))
            if mark:
                block.read.add(row)
        return b"".join(row for _, row in sorted(found, key=lambda item: item[0]))

    def by_fecha(
        self, second: int, reading: Reading, *, only_unread: bool = False, mark: bool = False, limit: int = 0
    ) -> list[bytes]:
        """Rows that a `fecha` asks for under one of its readings; TooLarge above `limit` bytes, 0 = none.

        A question that fails for its size marks nothing as read.
        """
        blocks = self._between(second, reading)
        if limit:
            size = sum(len(block.take(only_unread=only_unread, mark=False)) for block in blocks)
            if size > limit:
                raise TooLarge(size, limit)
        return [piece for block in blocks if (piece := block.take(only_unread=only_unread, mark=mark))]

    def _between(self, second: int, reading: Reading) -> list[Block]:
        first, last = second, second
        if reading == "day":
            first, last = clock.day_of(second)
        start = bisect.bisect_left(self._seconds, first)
        stop = len(self._seconds) if reading == "since" else bisect.bisect_right(self._seconds, last)
        return self._by_second[start:stop]

    def all_rows(self) -> Iterator[bytes]:
        """Every row that was ever added, hidden ones too, in order of arrival."""
        for block in self._blocks:
            yield from block.split()


def _id_of(row: bytes) -> bytes:
    return row[: row.index(b"\t")].upper()
