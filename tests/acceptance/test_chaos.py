"""A short selection of `make chaos`: one fault of each kind, counted in the provider's ledger."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.chaos.arena import Arena, arena
from ops.chaos.scenario import play
from ops.chaos.scenarios import SCENARIOS

SELECTION = ("die-answer-unread", "post-lost-half", "postgres-cut", "pause-resume", "provider-hangs", "loader-dies")


@pytest.fixture(scope="module")
def servers() -> Iterator[Arena]:
    # Not below pytest's own folder, which another run of pytest closes to the user that Postgres runs as.
    with (
        tempfile.TemporaryDirectory(prefix="dispatcher-chaos-", ignore_cleanup_errors=True) as folder,
        arena(Path(folder) / "home") as running,
    ):
        yield running


@pytest.mark.parametrize("name", SELECTION)
def test_nothing_is_lost_or_sent_twice(name: str, servers: Arena) -> None:
    tally = play(servers, name, SCENARIOS[name], seed=1)
    assert (tally.lost, tally.twice, tally.outside, tally.wrong, tally.held) == (0, 0, 0, 0, 0), tally.complaints
    assert tally.complaints == []


def test_every_scenario_says_what_it_breaks() -> None:
    assert all(scenario.play.__doc__ for scenario in SCENARIOS.values())
