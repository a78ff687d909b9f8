"""The pace of a campaign, from the counters of its chunks."""

import pytest

from dispatcher.campaigns import pace
from dispatcher.campaigns.pace import Pace
from dispatcher.runtime import Runtime
from tests.integration.core_harness import CoreHarness


@pytest.fixture
def core(make_runtime: object) -> CoreHarness:
    runtime: Runtime = make_runtime(chunk_size=10)  # type: ignore[operator]
    return CoreHarness(runtime)


def found(core: CoreHarness, campaign: int) -> Pace | None:
    with core.engine.connect() as connection:
        return pace.pace(connection, campaign)


def sent_at(core: CoreHarness, campaign: int, chunk_no: int, minute: float, settled: float) -> None:
    """As if the chunk had been handed in at one minute, and its last result had come at another."""
    core.do(
        "UPDATE chunk SET state = 'settled', attempt = 1, resulted = messages, settled_at = now(), accepted_at = now(), "
        "posted_at = timestamptz '2026-11-02 12:00+00' + :sent * interval '1 minute', "
        "resulted_at = timestamptz '2026-11-02 12:00+00' + :settled * interval '1 minute' "
        "WHERE campaign_id = :id AND chunk_no = :chunk",
        id=campaign,
        chunk=chunk_no,
        sent=minute,
        settled=settled,
    )


def test_nothing_is_drawn_before_anything_was_handed_in(core: CoreHarness) -> None:
    campaign = core.load(30)
    assert found(core, campaign) is None
    core.claim()
    assert found(core, campaign) is None


def test_each_minute_has_what_was_handed_in_and_what_got_its_result(core: CoreHarness) -> None:
    campaign = core.load(30)
    sent_at(core, campaign, 1, 0.2, 1.0)
    sent_at(core, campaign, 2, 0.9, 4.5)
    sent_at(core, campaign, 3, 3.0, 4.0)
    core.do("UPDATE chunk SET suppressed = 4, resulted = 6 WHERE campaign_id = :id AND chunk_no = 3", id=campaign)
    shown = found(core, campaign)
    assert shown is not None
    assert (shown.minutes, shown.sent, shown.settled) == (1, [20, 0, 0, 6, 0], [0, 10, 0, 0, 16])
    assert (shown.ends - shown.begins).total_seconds() == 300


def test_a_long_campaign_has_wider_steps_and_loses_no_message(core: CoreHarness) -> None:
    campaign = core.load(30)
    sent_at(core, campaign, 1, 0, 1)
    sent_at(core, campaign, 2, 5_000, 5_001)
    sent_at(core, campaign, 3, 10_079, 10_080)  # a week
    shown = found(core, campaign)
    assert shown is not None
    assert len(shown.sent) <= pace.STEPS
    assert (sum(shown.sent), sum(shown.settled), shown.sent[0]) == (30, 30, 10)
    assert shown.minutes == 85
