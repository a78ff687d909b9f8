"""Checks run side by side: one that hangs holds up no other."""

import threading
import time

import pytest

from dispatcher.errors import DispatcherError
from dispatcher.maintenance.side_by_side import Check, run


def test_findings_have_the_order_of_the_checks() -> None:
    first = threading.Event()

    def slow() -> str:
        assert first.wait(5)
        return "slow"

    def quick() -> str:
        first.set()
        return "quick"

    assert run({"b": slow, "a": quick}) == [Check("b", True, "slow"), Check("a", True, "quick")]


def test_a_check_that_does_not_end_says_so_and_holds_up_no_other() -> None:
    over = threading.Event()

    def hangs() -> str:
        over.wait(30)
        return "too late"

    began = time.monotonic()
    try:
        found = run({"one": hangs, "two": hangs, "three": lambda: "fine"}, limit=0.3)
    finally:
        over.set()
    assert time.monotonic() - began < 5
    silent = "did not answer within 0.3 s"
    assert found == [Check("one", False, silent), Check("two", False, silent), Check("three", True, "fine")]


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (DispatcherError("It is broken.", hint="Mend it."), "It is broken. Mend it."),
        (ValueError("first line\nsecond line"), "first line"),
        (KeyError(), "KeyError"),
    ],
)
def test_whatever_a_check_raises_is_its_finding(error: Exception, detail: str) -> None:
    def fails() -> str:
        raise error

    assert run({"one": fails}) == [Check("one", False, detail)]
