"""A terminal of a given width for a command, and what a person would have seen in it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass

from rich.cells import cell_len

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x07")
_AT_MOST = 240.0


@dataclass(frozen=True)
class Seen:
    """What a command showed: its exit code, and its lines as they came."""

    code: int
    lines: list[str]

    @property
    def text(self) -> str:
        """All of it, with one blank wherever a line was broken."""
        return " ".join(" ".join(self.lines).split())

    def wider_than(self, columns: int) -> list[str]:
        """The lines that the terminal had to break by itself, in the middle of a word."""
        return [line for line in self.lines if cell_len(line) > columns]


def type_in(environment: dict[str, str], columns: int, *arguments: str, answer: bytes = b"") -> Seen:
    """Run `dispatcher …` in a terminal; `answer` is typed once it asks, and then whenever it asks again."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    wanted = {name: value for name, value in {**os.environ, **environment}.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "dispatcher", *arguments]
    ends = time.monotonic() + _AT_MOST
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**wanted, "TERM": "xterm"}, start_new_session=True
    ) as process:
        os.close(theirs)
        shown, answered = b"", 0
        try:
            while time.monotonic() < ends:
                if not select.select([ours], [], [], 1.0)[0]:
                    continue
                shown += os.read(ours, 4096)
                asked = len(re.findall(rb"\[[ys]/N\]", shown))
                if answer and asked > answered:
                    os.write(ours, answer)
                    answered = asked
        except OSError:  # how Linux ends a terminal that nobody holds any more
            pass
        finally:
            os.close(ours)
            if process.poll() is None and time.monotonic() >= ends:
                process.kill()
        code = process.wait(60)
    plain = _CONTROL.sub("", shown.decode("utf-8", "replace"))
    return Seen(code, [line.rstrip() for line in re.split(r"[\r\n]+", plain)])
