"""How often one key may call: a token bucket in the broker's Redis, so that all listeners share it.

A broker that is away, or is RabbitMQ, means no limit: a limit protects this service, and must not stop it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError
from throttled import RateLimiterType, Throttled, rate_limiter, store
from throttled.exceptions import BaseThrottledError

from dispatcher.config import Settings
from dispatcher.errors import UsageError

if TYPE_CHECKING:
    from throttled.types import SyncRedisClientP

log = logging.getLogger(__name__)

_SECONDS = 0.5  # for one call to the broker: every call to the API waits for it
_PAUSE = 10.0  # after a call that failed, the broker is left alone for so long


class RateLimit:
    """The buckets of all keys."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened yet."""
        self._settings = settings
        self._throttled: Throttled | None = None
        self._not_before = 0.0

    def wait(self, key: str) -> float:
        """Take one call from a key's bucket; seconds to wait when there is none, else 0."""
        if not self._settings.api_rate or time.monotonic() < self._not_before:
            return 0.0
        try:
            throttled = self._connected()
            if throttled is None:
                return 0.0
            result = throttled.limit(f"dispatcher:api:{key}")
        except (RedisError, BaseThrottledError, OSError) as error:
            self._not_before = time.monotonic() + _PAUSE
            log.warning("rate_not_limited why=%s", type(error).__name__)
            return 0.0
        return max(1.0, result.state.retry_after) if result.limited else 0.0

    def _connected(self) -> Throttled | None:
        if self._throttled is None:
            try:
                url = self._settings.celery_broker_url
            except UsageError:
                return None
            if urlsplit(url).scheme not in ("redis", "rediss", "redis+socket"):
                return None
            client = Redis.from_url(
                url.replace("redis+socket://", "unix://", 1),
                socket_timeout=_SECONDS,
                socket_connect_timeout=_SECONDS,
                **self._settings.redis_tls,
            )
            buckets = store.RedisStore()
            buckets._backend._client = cast(
                "SyncRedisClientP", client
            )  # its own factory knows no Unix socket and none of our certificates
            rate = self._settings.api_rate
            self._throttled = Throttled(
                using=RateLimiterType.TOKEN_BUCKET.value,
                quota=rate_limiter.per_sec(rate, burst=2 * rate),
                store=buckets,
            )
        return self._throttled
