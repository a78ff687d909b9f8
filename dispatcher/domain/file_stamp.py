"""Tells whether a file is still the same as at an earlier look."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Stamp:
    """What of a file changes when it is written to."""

    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, stream: BinaryIO | None) -> Stamp | None:
        """The stamp of an open file; None of a stream that is none."""
        try:
            return cls.read(os.fstat(stream.fileno())) if stream is not None else None
        except OSError:
            return None

    @classmethod
    def read(cls, found: os.stat_result) -> Stamp:
        """The stamp in what the system says about a file."""
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)
