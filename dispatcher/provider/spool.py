"""A long answer kept in a temporary file while it comes, to be read back from its end."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Self

_IN_MEMORY = 1024 * 1024


class Spool:
    """Slices of an answer: written as they come, read back the last one first. At most one is in memory.

    A long answer goes to a file that no name leads to. It is gone when the block ends, however it ends.
    """

    def __init__(self) -> None:
        """Empty; a short answer never reaches the disk."""
        self._file = SpooledTemporaryFile[bytes](max_size=_IN_MEMORY)
        self._sizes: list[int] = []
        self.size = 0

    def write(self, slice_: bytes) -> None:
        """Add a slice."""
        self._file.write(slice_)
        self._sizes.append(len(slice_))
        self.size += len(slice_)

    def backwards(self) -> Iterator[bytes]:
        """Every slice, the last one first."""
        at = self.size
        for size in reversed(self._sizes):
            at -= size
            self._file.seek(at)
            yield self._file.read(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
