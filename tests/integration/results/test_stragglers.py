"""Accepted chunks that wait long: every line has its turn, and no answer is waited for without end."""

import pytest

from dispatcher.provider.answers import ResultLine, StatusLines
from dispatcher.results.probing import Prober
from dispatcher.results.stragglers import spread
from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness
from tests.integration.results.doubting import NO_TRACE, Doubting, Make


def test_a_result_that_no_poll_brought_is_asked_for_by_idinterno(core: CoreHarness, doubting: Doubting) -> None:
    campaign = core.load(10)
    doubting.doubt()
    assert core.statuses(campaign) == {"submitted": 10}
    core.do("UPDATE chunk SET probe_at = clock_timestamp()")
    doubting.probe(1)
    assert core.statuses(campaign) == {"ok": 10}
    assert core.states(campaign) == ["settled"]


@pytest.mark.parametrize("ignored", [{1}, {1, 2, 3}, {1, 5, 20}])
def test_an_ignored_line_hides_no_other_line_of_its_chunk(
    make_core: Make, monkeypatch: pytest.MonkeyPatch, ignored: set[int]
) -> None:
    core = make_core(chunk_size=20, probe_rate=5)
    campaign = core.load(20)
    core.send()
    silent = {core.reference(campaign, seq) for seq in ignored}

    def answer(reference: str) -> StatusLines:
        return NO_TRACE if reference in silent else StatusLines([ResultLine(reference, core.now(), "OK", 0)])

    monkeypatch.setattr(core.runtime.provider, "status_by_idinterno", answer)
    prober = Prober(core.runtime, core.account.id, core.settler)
    for _ in range(40):
        core.do("UPDATE chunk SET probe_at = clock_timestamp()")
        core.do("UPDATE account SET probe_free_at = NULL")
        prober.round()
    assert core.statuses(campaign) == {"ok": 20 - len(ignored), "submitted": len(ignored)}
    core.check_sums(campaign)


def test_a_chunk_whose_lines_answer_is_asked_again_without_waiting(
    make_core: Make, simulator: SimulatorProcess
) -> None:
    core = make_core(chunk_size=20, probe_rate=5)
    doubting = Doubting(core, simulator)
    campaign = core.load(20)
    doubting.doubt()
    core.do("UPDATE chunk SET probe_at = clock_timestamp()")
    doubting.probe(4)
    assert core.states(campaign) == ["settled"]


def test_a_line_that_nothing_settles_is_not_asked_for_without_end(
    core: CoreHarness, doubting: Doubting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its fecha is from before our POST: counted, never settled."""
    campaign = core.load(1)
    doubting.doubt()
    core.do("UPDATE chunk SET probe_at = clock_timestamp()")
    long_ago = core.now().replace(year=2020)
    monkeypatch.setattr(
        core.runtime.provider, "status_by_idinterno", lambda ref: StatusLines([ResultLine(ref, long_ago, "OK", 0)])
    )
    doubting.probe(1)
    assert core.one("SELECT probe_at > clock_timestamp() FROM chunk WHERE campaign_id = :id", id=campaign)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 987, 1000])
def test_every_line_of_a_chunk_has_its_turn(size: int) -> None:
    assert {spread(turn, size) for turn in range(size)} == set(range(size))
