"""What the doctor says of webhooks."""

from collections.abc import Callable, Iterator

import pytest

from dispatcher.errors import DispatcherError
from dispatcher.maintenance.webhook_alarm import webhooks
from dispatcher.webhooks import endpoints
from tests.integration.core_harness import CoreHarness
from tests.integration.webhooks.desk import Desk
from tests.receivers import Receiver, receiver, status


@pytest.fixture
def desk(make_core: Callable[..., CoreHarness]) -> Desk:
    return Desk(make_core(webhook_allow="127.0.0.0/8"))


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def test_all_is_well(desk: Desk, there: Receiver) -> None:
    assert webhooks(desk.core.engine) == "0 webhooks"
    desk.endpoint(there.url)
    desk.tell(1)
    desk.deliver()
    assert webhooks(desk.core.engine) == "1 webhook"


def test_an_endpoint_that_fails_is_alarmed_on_after_an_hour(desk: Desk, there: Receiver) -> None:
    webhook, _ = desk.endpoint(there.url)
    there.answer = status(500)
    desk.tell(1)
    desk.deliver()
    webhooks(desk.core.engine)
    desk.core.do("UPDATE webhook SET failing_since = failing_since - interval '2 hours'")
    with pytest.raises(DispatcherError, match=f"{webhook.webhook_id} has failed for 2 h"):
        webhooks(desk.core.engine)


def test_an_endpoint_that_disabled_itself_is_alarmed_on_and_one_that_somebody_disabled_is_not(
    desk: Desk, there: Receiver
) -> None:
    webhook, _ = desk.endpoint(there.url)
    there.answer = status(410)
    desk.tell(1)
    desk.deliver()
    with pytest.raises(DispatcherError, match="answered 410"):
        webhooks(desk.core.engine)
    desk.do(endpoints.enable, webhook)
    desk.do(endpoints.disable, webhook)
    assert webhooks(desk.core.engine) == "1 webhook"


def test_a_worker_that_is_missing_is_noticed(desk: Desk, there: Receiver) -> None:
    desk.endpoint(there.url)
    desk.tell(1, 1)
    webhooks(desk.core.engine)
    desk.core.do("UPDATE webhook SET created_at = created_at - interval '6 minutes'")
    desk.core.do("UPDATE webhook_delivery SET next_at = next_at - interval '6 minutes'")
    with pytest.raises(DispatcherError, match="no worker calls"):
        webhooks(desk.core.engine)
    desk.deliver()
    webhooks(desk.core.engine)
