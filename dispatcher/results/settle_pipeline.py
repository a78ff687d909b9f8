"""Settles while an answer is read: one batch of lines goes to the database as the next is read and parsed."""

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import polars as pl

from dispatcher.provider.frames import SCHEMA
from dispatcher.results.settle import Settled, Settler

BATCH_LINES = 50_000


class Batches:
    """Settles frames in order, a batch and a transaction at a time, in a thread of its own.

    The settler belongs to it until `rest` has returned or the block has ended. What a transaction raises is raised by a
    later `put`, or by `rest`.
    """

    def __init__(self, settler: Settler) -> None:
        """Take the settler for the length of a `with` block."""
        self.total = Settled()
        self._settler = settler
        self._waiting: list[pl.DataFrame] = []
        self._lines = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="settle")
        self._pending: Future[Settled] | None = None

    def put(self, frame: pl.DataFrame) -> None:
        """Add lines; a full batch is handed over once the one before it is settled."""
        self._waiting.append(frame)
        self._lines += frame.height
        if self._lines >= BATCH_LINES:
            batch = self.rest()
            self._pending = self._thread.submit(self._settler.settle, batch, skip_seen=False)

    def rest(self) -> pl.DataFrame:
        """What was not handed over, for the caller to settle; everything else is settled then."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self.total.add(pending.result())
        waiting, self._waiting, self._lines = self._waiting, [], 0
        return pl.concat(waiting) if waiting else pl.DataFrame(schema=SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nobody else may use the settler before the thread is out of it.
        self._thread.shutdown(wait=True)
