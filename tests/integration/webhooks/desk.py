"""Short words for what tests of webhooks do all the time."""

from collections.abc import Callable
from typing import Any

from dispatcher.runtime import Runtime
from dispatcher.webhooks import deliveries, delivering, endpoints
from dispatcher.webhooks.deliveries import Delivery
from dispatcher.webhooks.endpoints import Webhook
from dispatcher.webhooks.event_types import EventType
from tests.integration.core_harness import CoreHarness

ALL = tuple(EventType)


class Desk:
    """One dispatcher with its endpoints; nothing is delivered by itself."""

    def __init__(self, core: CoreHarness) -> None:
        self.core = core
        self.runtime: Runtime = core.runtime

    def endpoint(self, url: str, *events: EventType) -> tuple[Webhook, str]:
        with self.core.engine.begin() as connection:
            return endpoints.create(connection, self.core.settings, url, events or ALL)

    def tell(self, *campaigns: int | None, kind: EventType = EventType.CAMPAIGN_PAUSED) -> None:
        """An event for each of these campaigns, which need not be there."""
        from dispatcher.webhooks import outbox

        with self.core.engine.begin() as connection:
            for place, campaign_id in enumerate(campaigns):
                outbox.tell(connection, kind, campaign_id, place=place)

    def deliver(self) -> None:
        """Deliver whatever is due, to every endpoint."""
        with self.core.engine.connect() as connection:
            due = delivering.due(connection)
        for number, _ in due:
            delivering.deliver(self.runtime, number)

    def forward(self) -> None:
        """As if the time of every next attempt and pause had come."""
        self.core.do("UPDATE webhook_delivery SET next_at = clock_timestamp() WHERE state = 'due'")
        self.core.do("UPDATE webhook SET retry_at = NULL")

    def log(self, webhook: Webhook) -> list[Delivery]:
        """The endpoint's deliveries, the oldest first."""
        with self.core.engine.connect() as connection:
            return deliveries.listing(connection, webhook.webhook_id, 1_000)[::-1]

    def states(self, webhook: Webhook) -> list[str]:
        return [each.state for each in self.log(webhook)]

    def now(self, webhook: Webhook) -> Webhook:
        with self.core.engine.connect() as connection:
            return endpoints.find(connection, webhook.webhook_id)

    def do(self, action: Callable[..., Any], webhook: Webhook, *arguments: Any, **more: Any) -> Any:
        """One of `endpoints` or `deliveries` in a transaction of its own."""
        with self.core.engine.begin() as connection:
            return action(connection, webhook.webhook_id, *arguments, **more)
