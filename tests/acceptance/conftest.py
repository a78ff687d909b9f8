"""What the failure tests share."""

from collections.abc import Callable, Iterator

import pytest

from dispatcher.runtime import Runtime
from ops.embedded import Embedded
from ops.simulator.process import SimulatorProcess
from tests.acceptance.live_system import LiveSystem
from tests.processes import Cluster


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Shorter still: a call that nobody answers fails after 2 s, a doubt is looked into after 1 s of polls."""
    return {**environment, "DISPATCHER_PROVIDER_TIMEOUT": "2", "DISPATCHER_IN_DOUBT_HORIZON": "1"}


@pytest.fixture
def live(simulator: SimulatorProcess, cluster: Cluster, make_runtime: Callable[..., Runtime]) -> LiveSystem:
    """A live with nothing running yet but the provider."""
    return LiveSystem(simulator, cluster, make_runtime(), make_runtime)


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A broker that a test may kill, without a database."""
    home = Embedded(tmp_path_factory.mktemp("broker"))
    with home.using(database=False):
        yield home
