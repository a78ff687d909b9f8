"""Runs COPY in the background: while one frame goes to the database, the next one is prepared."""

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import polars as pl
from sqlalchemy import Connection


def copy_frame(connection: Connection, statement: str, frame: pl.DataFrame) -> None:
    """COPY a frame (`… FROM STDIN (FORMAT csv)`); null is an empty field, an empty text is quoted."""
    if frame.is_empty():
        return
    raw = connection.connection.driver_connection
    assert raw is not None
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(frame.write_csv(include_header=False, quote_style="necessary"))


class Copier:
    """Copies frames in order in a thread of its own, one at a time: at most two are in memory.

    The connection belongs to the copier until the block ends; what the database refuses is raised by a later `put`, or
    at the end. Nothing is committed here.
    """

    def __init__(self, connection: Connection) -> None:
        """Take the connection for the length of a `with` block."""
        self._connection = connection
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="copy")
        self._pending: Future[None] | None = None

    def put(self, statement: str, frame: pl.DataFrame) -> None:
        """Hand a frame over, once the one before it has arrived."""
        if frame.is_empty():
            return
        self._wait()
        self._pending = self._thread.submit(copy_frame, self._connection, statement, frame)

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The thread must be out of the connection before anybody rolls back.
        self._thread.shutdown(wait=True)
        if kind is None:
            self._wait()
