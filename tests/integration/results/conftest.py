"""What the tests of results share."""

import pytest

from ops.simulator.process import SimulatorProcess
from tests.integration.core_harness import CoreHarness
from tests.integration.results.doubting import Doubting


@pytest.fixture
def doubting(core: CoreHarness, simulator: SimulatorProcess) -> Doubting:
    return Doubting(core, simulator)
