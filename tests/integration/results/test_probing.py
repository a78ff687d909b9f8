"""Probes: they keep to their rate, and one that failed says nothing about its line."""

import pytest

from dispatcher.provider.answers import ResultLine, StatusLines
from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness
from tests.integration.results.doubting import NONE, Doubting, Make


def test_an_answer_about_other_messages_is_a_probe_that_failed(
    core: CoreHarness, doubting: Doubting, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = core.load(4)
    doubting.doubt(NONE)
    doubting.pass_horizon()
    others = StatusLines([ResultLine("XXX", core.now(), "OK", 0)])
    with monkeypatch.context() as patch:
        patch.setattr(type(core.runtime.provider), "status_by_idinterno", lambda *_: others)
        doubting.probe()
        assert core.states(campaign) == ["in_doubt"]
    doubting.probe()
    assert core.states(campaign) == ["split", "due"]


@pytest.mark.parametrize("kind", ["error", "html", "reset", "garbage", "truncate", "close"])
def test_a_failed_probe_is_not_absence(
    core: CoreHarness, doubting: Doubting, simulator: SimulatorProcess, kind: str
) -> None:
    campaign = core.load(4)
    doubting.doubt(NONE)
    doubting.pass_horizon()
    simulator.set_faults({"kind": kind, "endpoint": "status_idinterno"})
    doubting.probe()
    assert core.one("SELECT count(*) FROM absence") == 0
    assert core.states(campaign) == ["in_doubt"]


def test_probes_keep_to_their_rate(make_core: Make, simulator: SimulatorProcess) -> None:
    core = make_core(probe_rate=5, chunk_size=100)
    doubting = Doubting(core, simulator)
    core.load(40)
    doubting.doubt(NONE)
    doubting.pass_horizon()
    for _ in range(4):
        doubting.prober.round()
    assert len([call for call in simulator.calls() if call["endpoint"].startswith("status")]) == 5
