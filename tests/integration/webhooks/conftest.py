"""A desk, and a receiver that listens on loopback, which the settings allow."""

from collections.abc import Callable, Iterator

import pytest

from tests.integration.core_harness import CoreHarness
from tests.integration.webhooks.desk import Desk
from tests.receivers import Receiver, receiver


@pytest.fixture
def desk(make_core: Callable[..., CoreHarness]) -> Desk:
    return Desk(make_core(chunk_size=10, webhook_allow="127.0.0.0/8"))


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as made:
        yield made
