"""How many hints wait in the broker's queues. They are hints only: nothing is lost with them."""

from __future__ import annotations

from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from dispatcher.config import Settings
from dispatcher.errors import UsageError

QUEUES = ("urgent", "submit", "poll", "control", "tick", "webhooks")
_SECONDS = 0.5


def lengths(settings: Settings) -> dict[str, int] | None:
    """Hints by queue; None when the broker does not answer. RabbitMQ keeps its own count: its queues are left out."""
    try:
        url = settings.celery_broker_url
    except UsageError:
        return None
    if urlsplit(url).scheme not in ("redis", "rediss", "redis+socket"):
        return {}
    client = Redis.from_url(
        url.replace("redis+socket://", "unix://", 1),
        socket_timeout=_SECONDS,
        socket_connect_timeout=_SECONDS,
        **settings.redis_tls,
    )
    try:
        pipeline = client.pipeline(transaction=False)
        for queue in QUEUES:
            pipeline.llen(queue)
        return dict(zip(QUEUES, map(int, pipeline.execute()), strict=True))
    except (RedisError, OSError):
        return None
    finally:
        client.close()
