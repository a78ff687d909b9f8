"""The supervisor with small processes in place of beat and the workers: the order in which it stops them."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.config import Settings
from ops import supervisor
from ops.supervisor import Child, Supervisor
from tests.conftest import wait_until

# Writes down what happens to it. Told to stop, it first gives the others time to be told as well.
CHILD = """
import signal, sys, time
name, path, patience = sys.argv[1], sys.argv[2], float(sys.argv[3])

def note(word):
    with open(path, "a") as diary:
        diary.write(f"{name} {word}\\n")

def stop(*_):
    note("told")
    ends = time.monotonic() + patience
    while time.monotonic() < ends and open(path).read().count("told") < 2:
        time.sleep(0.01)
    note("gone")
    sys.exit()

signal.signal(signal.SIGTERM, stop)
note("runs")
while True:
    time.sleep(60)
"""


def child(name: str, diary: Path, patience: float, *, stops_first: bool = False) -> Child:
    return Child(name, [sys.executable, "-c", CHILD, name, str(diary), str(patience)], stops_first=stops_first)


def stopped(
    children: list[Child], diary: Path, grace: float = 30, log: Callable[[str], None] = print
) -> tuple[int, list[str]]:
    """Run the children until all are up, stop them: the exit code and what they wrote since."""
    running = Supervisor(children, {}, grace, log)
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(running.run()))
    thread.start()
    try:
        wait_until(lambda: diary.exists() and diary.read_text().count("runs") == len(children), 30)
    finally:
        running.stop()
        thread.join(60)
    return ended[0], [line for line in diary.read_text().splitlines() if not line.endswith("runs")]


def test_beat_has_ended_before_a_worker_is_told_to_stop(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    code, told = stopped([child("worker", diary, 0), child("beat", diary, 0.5, stops_first=True)], diary)
    assert told == ["beat told", "beat gone", "worker told", "worker gone"]
    assert code == 0


def test_a_beat_that_does_not_end_holds_nobody_up_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_HEAD_START", 0.1)
    diary = tmp_path / "diary"
    code, told = stopped([child("worker", diary, 0), child("beat", diary, 30, stops_first=True)], diary)
    assert told[:2] == ["beat told", "worker told"]
    assert code == 0


def test_who_had_to_be_killed_is_named(tmp_path: Path) -> None:
    said: list[str] = []
    code, _ = stopped([child("worker", tmp_path / "diary", 60)], tmp_path / "diary", 1, said.append)
    assert (code, said) == (1, ["worker did not stop within 1 s and is killed"])


def test_of_what_up_runs_beat_stops_first() -> None:
    wanted = supervisor.children(Settings(flower_auth="user:password"))
    assert [each.name for each in wanted if each.stops_first] == ["beat"]


def test_flower_is_of_this_machine_alone_and_keeps_no_file_of_tasks() -> None:
    (flower,) = (each for each in supervisor.children(Settings(flower_auth="u:p")) if each.name == "flower")
    assert {"--address=127.0.0.1", "--persistent=False"} <= set(flower.command)
    assert flower.environment == {"FLOWER_BASIC_AUTH": "u:p"}
    assert not [word for word in flower.command if word.startswith("--db")]


def test_port_0_means_no_flower() -> None:
    assert "flower" not in [child.name for child in supervisor.children(Settings(flower_port=0))]
