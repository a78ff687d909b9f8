"""The plan of a campaign's chunks: which rows go out together in one bulk POST."""

from bisect import bisect_right

import polars as pl

from dispatcher.config import Settings
from schemas.payload import CampaignSpec

_FORM_RESERVE = 400
"""Bytes of the body that are not lines: the key, the names of the fields."""
_LINE_OVERHEAD = 3 + 10 + 3 + 6
"""Encoded bytes of a line besides idinterno and texto: TAB, destino, TAB, CRLF."""


def chunk_size(spec: CampaignSpec, settings: Settings) -> int:
    """Messages per chunk, at most what the campaign's rate allows in a minute.

    With HTML content each message needs a call of its own.
    """
    if spec.html is not None:
        return 1
    most = settings.effective_chunk_size()
    return most if spec.rate is None else min(most, spec.rate)


class ChunkPlan:
    """Divides the rows, as they come, into chunks of at most `size` messages and `limit` bytes of encoded body."""

    def __init__(self, campaign_id: int, size: int, limit: int, canary: int = 0, *, appends: bool = False) -> None:
        """Start with chunk 1 and seq 1; the first `canary` messages get chunks of their own.

        With `appends` the numbers are moved later, behind those that the campaign has by then.
        """
        self._appends = appends
        self._canary = canary
        self.campaign_id = campaign_id
        self._size = size
        self._limit = max(1, limit - _FORM_RESERVE)
        self._done: list[tuple[int, int, int, int]] = []  # first_seq, last_seq, messages, suppressed
        self._first, self._count, self._bytes, self._suppressed = 1, 0, 0, 0
        self._rows = self._sendable = self._last_sendable = self._goes_last = 0

    def assign(self, encoded_bytes: pl.Series, suppressed: pl.Series) -> pl.Series:
        """The chunk numbers of the next rows."""
        self._note_sendable(suppressed)
        if self._size == 1:
            return self._assign_singly(suppressed)
        next_seq = self._first + self._count
        # Length of the longest idinterno that these rows can get.
        highest = 2**31 - 1 if self._appends else next_seq + len(encoded_bytes)
        reference = 1 + 10 + len(f"{self.campaign_id:X}") + 1 + len(f"{highest:X}") + 1
        ends = (encoded_bytes.cast(pl.Int64) + (reference + _LINE_OVERHEAD)).cum_sum()
        gone = suppressed.cast(pl.Int64).cum_sum()
        numbers: list[pl.Series] = []
        position, before, gone_before = 0, 0, 0
        while position < len(ends):
            by_bytes = int(ends.search_sorted(before + self._limit - self._bytes, side="right"))
            end = min(position + self._room(), by_bytes, len(ends))
            if end == position and self._count == 0:
                end = position + 1  # a line longer than the limit gets a chunk of its own
            if end == position:
                self._close()
                continue
            numbers.append(pl.repeat(len(self._done) + 1, end - position, dtype=pl.Int32, eager=True))
            self._count += end - position
            self._bytes += int(ends[end - 1]) - before
            self._suppressed += int(gone[end - 1]) - gone_before
            before, gone_before, position = int(ends[end - 1]), int(gone[end - 1]), end
        return pl.concat(numbers) if numbers else pl.Series(dtype=pl.Int32)

    def _assign_singly(self, suppressed: pl.Series) -> pl.Series:
        """One chunk per row: the answer that the loop in `assign` would give, at a hundredth of its cost."""
        first = self._first
        self._first += len(suppressed)
        self._done += [(seq, seq, 1, int(gone)) for seq, gone in enumerate(suppressed, start=first)]
        return pl.int_range(first, self._first, dtype=pl.Int32, eager=True)

    def _room(self) -> int:
        """How many more messages fit into the open chunk."""
        before_canary_ends = self._canary - (self._first + self._count - 1)
        room = self._size - self._count
        return min(room, before_canary_ends) if self._first <= self._canary else room

    @property
    def canary_chunks(self) -> int:
        """How many chunks the canary has."""
        return sum(1 for first, *_ in self._done if first <= self._canary)

    def _close(self) -> None:
        last = self._first + self._count - 1
        self._done.append((self._first, last, self._count, self._suppressed))
        self._first, self._count, self._bytes, self._suppressed = last + 1, 0, 0, 0

    def finish(self) -> tuple[int, int] | None:
        """Close the last chunk, and give the last line that is to be sent a chunk of its own.

        That line is posted after all the others have ended, so that its result shows how far the provider has come.

        Returns:
            The line's seq and its new chunk number, when it had been assigned another one.
        """
        if self._count:
            self._close()
        if self._sendable < (1 if self._appends else 2):
            return None
        at = bisect_right(self._done, self._last_sendable, key=lambda chunk: chunk[0]) - 1
        first, last, messages, suppressed = self._done[at]
        if messages - suppressed == 1:
            self._goes_last = at + 1
            return None
        last = last - 1 if last == self._last_sendable else last
        self._done[at] = (first, last, messages - 1, suppressed)
        self._done.append((self._last_sendable, self._last_sendable, 1, 0))
        self._goes_last = len(self._done)
        return self._last_sendable, self._goes_last

    def chunks(self, account_id: int) -> pl.DataFrame:
        """Every chunk in the columns of the table, after `finish`."""
        return pl.DataFrame(
            [
                (self.campaign_id, account_id, number, number, *chunk, number == self._goes_last)
                for number, chunk in enumerate(self._done, start=1)
            ],
            schema=[
                "campaign_id",
                "account_id",
                "chunk_no",
                "root_no",
                "first_seq",
                "last_seq",
                "messages",
                "suppressed",
                "goes_last",
            ],
            orient="row",
        )

    def _note_sendable(self, suppressed: pl.Series) -> None:
        """Remember how many of the next rows are to be sent, and the seq of the last of them."""
        sendable = (~suppressed).arg_true()
        if len(sendable):
            self._last_sendable = self._rows + int(sendable[-1]) + 1
        self._sendable += len(sendable)
        self._rows += len(suppressed)
