"""A run that leaves the slow tests out says so at its end, with the command that runs them."""

from typing import Any

import pytest

_LEFT_OUT = pytest.StashKey[int]()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the slow ones among what this process leaves out; who names tests with -k knows what they want."""
    slow = [item for item in items if item.get_closest_marker("slow") and not item.config.option.keyword]
    if slow:
        stash = slow[0].config.stash
        stash[_LEFT_OUT] = stash.get(_LEFT_OUT, 0) + len(slow)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist collects, and its controller does not: tell it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(_LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Every worker collects everything: one word of them is enough."""
    output = getattr(node, "workeroutput", {})  # a worker that crashed has said nothing
    node.config.stash[_LEFT_OUT] = max(node.config.stash.get(_LEFT_OUT, 0), output.get("left_out", 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say it."""
    if count := config.stash.get(_LEFT_OUT, 0):
        noun = "test is" if count == 1 else "tests are"
        terminalreporter.write_line(f"{count} slow {noun} left out: `make test-all` runs them too.")
