"""Lines that were read before are passed over before they are taken apart, and only those."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from dispatcher.provider.frames import parse_slice
from dispatcher.results import seen_lines as seen_module
from dispatcher.results.seen_lines import Seen

NOON = datetime(2026, 3, 10, 12)


def line(number: int, second: int = 0, text: str = "OK") -> bytes:
    return f"A{number}\t{NOON + timedelta(seconds=second):%Y%m%d%H%M%S}\t{text}\r\n".encode("latin-1")


def ids(frame: pl.DataFrame) -> list[str]:
    return frame["idinterno"].to_list()


def test_only_lines_that_are_the_same_to_the_letter_are_passed_over() -> None:
    seen = Seen()
    seen.add(parse_slice(line(1) + line(2) + line(3)).frame)
    again = parse_slice(line(2) + line(4) + line(3, second=1) + line(1, text="algo nuevo") + line(1), seen.unseen())
    assert again.frame.select("idinterno", "text").rows() == [("A4", "OK"), ("A3", "OK"), ("A1", "algo nuevo")]
    assert (again.skipped, again.malformed, again.unmapped) == (2, 0, {"algo nuevo": 1})


def test_what_was_seen_leaves_malformed_lines_as_they_are() -> None:
    seen = Seen()
    seen.add(parse_slice(line(1)).frame)
    assert parse_slice(line(1) + b"nothing\r\n", seen.unseen()).malformed == 1


def test_a_line_that_was_forgotten_is_read_anew() -> None:
    seen = Seen()
    seen.add(parse_slice(line(1) + line(2, second=5)).frame)
    assert ids(parse_slice(line(1) + line(2, second=5), seen.unseen()).frame) == []
    seen.forget_before(NOON + timedelta(seconds=1))
    assert ids(parse_slice(line(1) + line(2, second=5), seen.unseen()).frame) == ["A1"]


def test_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_module, "LIMIT", 2)
    seen = Seen()
    for number in range(5):
        seen.add(parse_slice(line(number)).frame)
    answer = b"".join(line(number) for number in range(5))
    assert ids(parse_slice(answer, seen.unseen()).frame) == ["A0", "A1", "A2"]
