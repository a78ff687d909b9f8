"""How the commands of webhooks show what they show."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from dispatcher.domain.window import provider_local
from dispatcher.webhooks.deliveries import Delivery
from dispatcher.webhooks.endpoints import Webhook
from dispatcher.webhooks.event_types import MEANINGS, EventType

EVENTS = [str(event) for event in EventType]


def event_types(names: Iterable[str]) -> list[EventType]:
    """Events by their names."""
    return [EventType(name) for name in names]


def listed_events() -> str:
    """A line for each event: its name and what it means."""
    return "\n".join(f"  {event}: {meaning}" for event, meaning in MEANINGS.items())


def shown(moment: datetime | None) -> str:
    """A moment by the clock of Argentina."""
    return "" if moment is None else f"{provider_local(moment):%Y-%m-%d %H:%M:%S}"


def webhook_json(found: Webhook) -> dict[str, Any]:
    """An endpoint for `--json`."""
    fields = {name: value for name, value in asdict(found).items() if name != "number"}
    return _written(fields)


def delivery_json(found: Delivery) -> dict[str, Any]:
    """A delivery for `--json`."""
    return _written(asdict(found))


def _written(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}
