"""Starts the embedded servers of a home again when one has died while `up` runs.

In a process of its own: `up` forks its children, and a fork beside a thread may find its locks taken for ever.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from dispatcher.config import Settings
from ops.embedded import Embedded
from ops.server_places import socket_path

_PAUSE = 2.0  # seconds between two looks, and between two tries


class Revival:
    """Looks after the servers that the settings leave to us; there may be none."""

    def __init__(self, settings: Settings, log: Callable[[str], None]) -> None:
        """Nothing is looked at yet."""
        self._home = settings.home
        self._log = log
        self._sockets: dict[str, Path] = {}
        if settings.database_url is None:
            self._sockets["postgres"] = _postgres_socket(settings.home)
        if settings.broker_url is None:
            self._sockets["valkey"] = socket_path(settings.home / "run" / "valkey.sock")
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0.0

    def look(self) -> None:
        """Start what nobody listens for any more; returns at once."""
        if time.monotonic() < self._next or (self._process is not None and self._process.poll() is None):
            return
        self._next = time.monotonic() + _PAUSE
        gone = [name for name, path in self._sockets.items() if not _listens(path)]
        if gone:
            self._log(f"the embedded {' and '.join(gone)} ended; starting it again")
            command = [sys.executable, "-m", "ops.revival", str(self._home), *gone]
            root = str(Path(__file__).resolve().parents[1])
            path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env={**os.environ, "PYTHONPATH": path}
            )

    def end(self) -> None:
        """Wait for a start that is under way, so that whoever stops the servers stops this one, too."""
        if self._process is not None:
            self._process.wait()


def _postgres_socket(home: Path) -> Path:
    """Where the embedded Postgres of a home was started to listen."""
    state = json.loads((home / "run" / "embedded.json").read_text(encoding="utf-8"))
    (folder,) = parse_qs(urlsplit(state["database_url"]).query)["host"]
    return Path(folder) / ".s.PGSQL.5432"


def _listens(path: Path) -> bool:
    """Whether a process listens there; one that is too busy to answer does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True


if __name__ == "__main__":
    Embedded(Path(sys.argv[1])).start(database="postgres" in sys.argv[2:], broker="valkey" in sys.argv[2:])
