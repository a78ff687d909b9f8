"""A small disk that can be full: a tmpfs, which only root may mount."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


def missing() -> str | None:
    """Why there cannot be one on this machine; None when there can."""
    if os.geteuid() != 0 or not Path("/proc/mounts").exists():
        return "only root may mount the small disk that fills up, and only on Linux"
    return None


@dataclass(frozen=True)
class Small:
    """A mounted disk; `path` is a folder on it that the database server may own."""

    path: Path

    @property
    def _ballast(self) -> Path:
        return self.path.parent / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with self._ballast.open("wb") as stream, suppress(OSError):
            while True:
                stream.write(bytes(1 << 16))
                stream.flush()

    def empty(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small(where: Path, megabytes: int) -> Iterator[Small]:
    """Mount a disk of this size for the length of a block."""
    where.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "dispatcher-chaos", str(where)], check=True)
    try:
        (where / "tables").mkdir()
        yield Small(where / "tables")
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)
        where.rmdir()
