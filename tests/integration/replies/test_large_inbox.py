"""An inbox that has grown to 20 MB: replies go on coming, and so do opt-outs."""

import tracemalloc
from collections.abc import Callable

import pytest

from dispatcher.replies import pull as reply_pull
from dispatcher.runtime import Runtime
from ops.simulator.process import SimulatorProcess
from tests.integration.replies.test_pull import ANA, BETO, Letters

MB = 1024 * 1024
OLD = 100


@pytest.fixture
def letters(make_runtime: Callable[..., Runtime], simulator: SimulatorProcess) -> Letters:
    """An account whose inbox holds 20 MB that were read long ago."""
    made = Letters(make_runtime())
    for n in range(OLD):
        simulator.reply(BETO, f"{n} " + "x" * (20 * MB // OLD))
    assert len(made.runtime.inbox("http").pull(only_unread=True, mark_read=True)) == OLD
    return made


def pull_due(letters: Letters) -> list[str]:
    """A pull at its time; the texts that are stored from then on, each at most 20 characters."""
    letters.stepper.sql("UPDATE account SET inbox_at = NULL")
    reply_pull.pull_due(letters.runtime)
    return [reply.texto[:20] for reply in letters.stored()]


def opted_out(letters: Letters) -> list[str]:
    return [row.destino for row in letters.stepper.sql("SELECT destino FROM optout")]


def account(letters: Letters) -> object:
    (row,) = letters.stepper.sql("SELECT *, inbox_whole_retry_at - clock_timestamp() AS wait FROM account")
    return row


def test_a_large_inbox_is_stored_whole_and_a_baja_after_it_is_seen_within_one_pull(
    letters: Letters, simulator: SimulatorProcess
) -> None:
    assert len(pull_due(letters)) == OLD
    assert account(letters).inbox_whole_at  # type: ignore[attr-defined]
    simulator.reply(ANA, "BAJA")
    assert pull_due(letters)[-1] == "BAJA"
    assert opted_out(letters) == [ANA]


def test_it_is_read_in_the_memory_of_a_few_batches(letters: Letters) -> None:
    inbox = letters.runtime.inbox("http")
    next(inbox.batches())  # what the first call imports and opens
    tracemalloc.start()
    try:
        assert sum(len(batch) for batch in inbox.batches()) == OLD
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * MB


def test_an_inbox_that_cannot_be_read_whole_is_tried_later_each_time_and_stops_no_opt_out(
    letters: Letters, simulator: SimulatorProcess
) -> None:
    """The first question of each pull is for what is unread; the second one, for everything, breaks off in the middle."""
    simulator.set_faults({"kind": "truncate", "endpoint": "inbox", "after": 1})
    stored = pull_due(letters)
    assert 0 < len(stored) < OLD, "what came of it is kept"
    assert stored[-1].startswith(f"{OLD - 1} "), "the newest came first"
    failed = account(letters)
    assert failed.inbox_words  # type: ignore[attr-defined]
    assert 30 < failed.wait.total_seconds() <= 60  # type: ignore[attr-defined]

    simulator.clear_faults()
    simulator.reply(ANA, "BAJA")
    assert pull_due(letters)[-1] == "BAJA", "the whole is not due, so nothing waits for it"
    assert opted_out(letters) == [ANA]
    assert account(letters).inbox_words == failed.inbox_words, "still to be seen"  # type: ignore[attr-defined]
    assert len(letters.stored()) == len(stored) + 1

    simulator.set_faults({"kind": "truncate", "endpoint": "inbox", "after": 1})
    letters.stepper.sql("UPDATE account SET inbox_whole_retry_at = clock_timestamp() - interval '1 second'")
    pull_due(letters)
    assert 90 < account(letters).wait.total_seconds() <= 120  # type: ignore[attr-defined]

    simulator.clear_faults()
    letters.stepper.sql("UPDATE account SET inbox_whole_retry_at = clock_timestamp() - interval '1 second'")
    assert len(pull_due(letters)) == OLD + 1
    assert account(letters).inbox_words is None  # type: ignore[attr-defined]
