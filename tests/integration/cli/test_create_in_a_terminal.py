"""In a terminal, a campaign goes out only after somebody has seen what it would be and said yes."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness


def typed(environment: dict[str, str], path: Path, answer: bytes, *options: str) -> tuple[int, str]:
    """Create a campaign in a terminal of its own, and type an answer; the exit code and what was shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dispatcher", "campaign", "create", str(path), "--template", "Hola {nombre}"]
    with subprocess.Popen(
        [*command, *options], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **environment}
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
        return process.wait(60), " ".join(shown.decode().split())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "lista.csv"
    path.write_text("telefono;nombre\n1144445555;Ana\n1144446666;Eva\n12;Corto\n")
    return path


def campaigns(core: CoreHarness) -> int:
    return int(core.one("SELECT count(*) FROM campaign"))


@pytest.mark.parametrize(("answer", "code", "made"), [(b"y\n", 0, 1), (b"n\n", 1, 0), (b"\n", 1, 0), (b"\x04", 1, 0)])
def test_it_shows_what_would_go_out_and_asks(
    environment: dict[str, str], core: CoreHarness, path: Path, answer: bytes, code: int, made: int
) -> None:
    ended, shown = typed(environment, path, answer)
    assert ended == code, shown
    assert "2 messages, 1 invalid row." in shown
    assert "Hola Ana" in shown
    assert "Send 2 messages now, the last one about " in shown
    assert campaigns(core) == made
    assert ("no campaign was made" in shown or "Interrupted" in shown) is not bool(made)
    assert ("Error:" in shown) is (answer == b"\x04")
    assert "Traceback" not in shown


@pytest.mark.parametrize("options", [("--yes",), ("--draft",), ("--test",)])
def test_what_was_said_or_sends_nothing_is_not_asked(
    environment: dict[str, str], core: CoreHarness, path: Path, options: tuple[str, ...]
) -> None:
    ended, shown = typed(environment, path, b"", *options)
    assert (ended, "[y/N]" in shown, campaigns(core)) == (0, False, 1), shown


def test_the_question_names_the_start(environment: dict[str, str], path: Path) -> None:
    _, shown = typed(environment, path, b"n\n", "--start", "2030-12-02 10:00:00")
    assert "Send 2 messages from Monday 2030-12-02 10:00" in shown
    _, shown = typed(environment, path, b"n\n", "--start", "lunes 10:30")
    assert re.search(r"start: Monday 2\d{3}-\d\d-\d\d 10:30, Argentine time\.", shown)
    assert re.search(r"Send 2 messages from Monday 2\d{3}-\d\d-\d\d 10:30", shown)


@pytest.mark.parametrize(("answer", "code", "made"), [(b"y\n", 0, 2), (b"n\n", 1, 1)])
def test_a_repeat_is_said_and_asked_about_once(
    environment: dict[str, str], core: CoreHarness, path: Path, answer: bytes, code: int, made: int
) -> None:
    assert typed(environment, path, b"", "--yes")[0] == 0
    ended, shown = typed(environment, path, answer)
    assert ended == code, shown
    assert "The same list with the same text" in shown
    assert shown.count("[y/N]") == 1
    assert campaigns(core) == made


def test_the_first_text_goes_to_who_wants_to_see_it_before_anything_else(
    environment: dict[str, str], core: CoreHarness, simulator: SimulatorProcess, path: Path
) -> None:
    ended, shown = typed(environment, path, b"n\n", "--to-me", "11 3333-2222")
    assert ended == 1, shown
    assert [(row["destino"], row["texto"]) for row in simulator.ledger()] == [("1133332222", "Hola Ana")]
    assert campaigns(core) == 0
    ended, shown = typed(environment, path, b"y\n", "--to-me", "12")
    assert (ended, campaigns(core)) == (1, 0), shown


def test_a_list_without_a_good_row_is_refused_without_a_question(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "lista.csv"
    path.write_text("telefono;nombre\n12;Corto\n")
    ended, shown = typed(environment, path, b"")
    assert (ended, "[y/N]" in shown) == (1, False), shown
    assert "Not one row" in shown
