"""In a terminal, a list that repeats a campaign is loaded only when the person says so."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.core_harness import CoreHarness


def typed(environment: dict[str, str], path: Path, answer: bytes) -> tuple[int, str]:
    """Create a campaign in a terminal of its own, and type an answer; the exit code and what was shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dispatcher", "campaign", "create", str(path), "--template", "Hola {nombre}"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **environment}
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
                if b"[y/N]" in shown and answer:
                    os.write(ours, answer)
                    answer = b""
        except OSError:  # Linux ends a terminal that nobody holds any more so
            pass
        finally:
            os.close(ours)
        return process.wait(60), shown.decode()


@pytest.mark.parametrize(("answer", "code", "campaigns"), [(b"y\n", 0, 2), (b"n\n", 1, 1), (b"\x04", 1, 1)])
def test_a_repeat_is_asked_about(
    environment: dict[str, str], core: CoreHarness, tmp_path: Path, answer: bytes, code: int, campaigns: int
) -> None:
    path = tmp_path / "lista.csv"
    path.write_text("telefono;nombre\n1144445555;Ana\n")
    first, shown = typed(environment, path, b"")
    assert (first, "once more" in shown) == (0, False)
    again, shown = typed(environment, path, answer)
    assert again == code, shown
    assert "The same list with the same text" in shown
    assert core.rows("SELECT count(*) AS n FROM campaign WHERE state = 'scheduled'")[0].n == campaigns
