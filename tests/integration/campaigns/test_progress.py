"""The pace that a campaign shows is that of the time it has gone, and of five minutes at most."""

from collections.abc import Callable

import pytest

from dispatcher.campaigns import progress, summary
from dispatcher.runtime import Runtime
from tests.integration.core_harness import CoreHarness


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [(0, 120), (30, 20), (120, 5), (3600, 2)],
    ids=["just begun", "half a minute", "two", "an hour"],
)
def test_a_campaign_that_began_lately_has_the_pace_of_that_time(
    make_runtime: Callable[..., Runtime], seconds: int, rate: float
) -> None:
    core = CoreHarness(make_runtime(chunk_size=10))
    campaign = core.load(30)
    core.send()
    core.do("UPDATE campaign SET started_at = now() - :s * interval '1 second' WHERE id = :id", s=seconds, id=campaign)
    with core.engine.connect() as connection:
        shown = summary.show(connection, campaign)
        coming = progress.progress(connection, core.settings, shown)
    assert coming.rate_per_minute == pytest.approx(rate, rel=0.1)
    assert coming.ends_about is not None
