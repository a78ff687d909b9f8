"""Every seed, and some seconds of mutations of them: the long run is `make fuzz`."""

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.fuzz import __main__ as command
from tests.fuzz.mutations import feed
from tests.fuzz.targets import CORPUS, TARGETS, corpus

SECONDS = 2.0


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_read_or_refused(name: str) -> None:
    seeds = corpus(name)
    assert seeds, f"{CORPUS / name} has no seed"
    for seed in seeds:
        TARGETS[name](seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_mutations_of_the_seeds_are_read_or_refused(name: str) -> None:
    _, data, error = feed(TARGETS[name], corpus(name), random.Random(name), SECONDS)
    assert error is None, f"{name} breaks on {(data or b'')[:2000]!r}: {error!r}"


def breaks_on(broken: Callable[[bytes], bool]) -> Callable[[bytes], None]:
    """A reader with a fault."""

    def reader(data: bytes) -> None:
        if broken(data):
            raise RuntimeError

    return reader


FAULTS: dict[str, Callable[[bytes], bool]] = {
    "a NUL": lambda data: b"\x00" in data,
    "an open quote": lambda data: data.count(b'"') % 2 == 1,
    "twenty digits": lambda data: re.search(rb"[0-9]{20}", data) is not None,
    "half a character": lambda data: data.endswith(b"\xc3"),
    "nothing": lambda data: not data,
    "something long": lambda data: len(data) > 1_000,
    "a mark in the middle": lambda data: b"\xef\xbb\xbf" in data[1:],
    "two seeds in one": lambda data: b"abc" in data and b"xyz" in data,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_reader_that_breaks_is_found_out(fault: str) -> None:
    """What a fuzzer would miss, it would miss silently."""
    seeds = [b"abc;def", b"uvw;xyz"]
    runs, data, error = feed(breaks_on(FAULTS[fault]), seeds, random.Random(1), 5)
    assert isinstance(error, RuntimeError)
    assert data is not None
    assert FAULTS[fault](data)
    assert runs < 20_000


def test_the_input_that_breaks_a_reader_is_kept_and_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TARGETS, "cell", breaks_on(FAULTS["a NUL"]))
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    done = CliRunner().invoke(command.main, ["cell", "--seconds", "5", "--inside", str(tmp_path)])
    assert done.exit_code == 1
    (kept,) = tmp_path.iterdir()
    assert b"\x00" in kept.read_bytes()
    assert str(kept) in done.output


def test_a_run_without_findings_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "upload", "recipients_xlsx", "--seconds", "1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BROKEN" not in done.stdout
    assert list(tmp_path.iterdir()) == []
