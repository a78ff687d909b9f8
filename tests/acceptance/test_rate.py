"""DISPATCHER_RATE with real workers: small chunks reach the rate, and never pass it."""

from datetime import datetime
from itertools import accumulate

from tests.acceptance.live_system import LiveSystem

RATE = 600
SIZE = 5
ROWS = 205


def test_small_chunks_reach_the_rate_and_never_pass_it(live: LiveSystem) -> None:
    settings = {"DISPATCHER_RATE": str(RATE), "DISPATCHER_CHUNK_SIZE": str(SIZE)}
    live.cluster.worker(**settings)
    live.cluster.beat(**settings)
    campaign = live.load(ROWS, chunk_size=SIZE)
    live.finish(campaign, 90)
    rows = live.sql("SELECT claimed_at, messages FROM attempt ORDER BY claimed_at")
    went: list[tuple[datetime, int]] = [(row.claimed_at, row.messages) for row in rows]
    begin = went[0][0]
    sent = list(accumulate(messages for _, messages in went))
    assert sent[-1] == ROWS
    per_second = RATE / 60
    # The last line waits for the others to end, and goes as a chunk of its own.
    whole = [n for n, (_, messages) in enumerate(went) if messages == SIZE]
    took = (went[whole[-1]][0] - begin).total_seconds()
    assert took > 15
    # Beside the other tests two cores are short; a pump that does not catch up reaches 70 %.
    assert (sent[whole[-1]] - SIZE) / took >= 0.85 * per_second
    for first, (since, _) in enumerate(went):
        for last in range(first, len(went)):
            span = (went[last][0] - since).total_seconds()
            before = sent[first - 1] if first else 0
            # claimed_at is read a moment before the account's lock is there: half a message's time.
            assert sent[last] - before <= per_second * span + SIZE + 0.5
