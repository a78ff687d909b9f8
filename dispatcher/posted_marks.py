"""Marks outside Postgres of how far an account has posted: witnesses against a database that went back in time.

Each claim moves the account's counter on. After its commit, and before the first byte leaves, the counter's value is
written to the broker (when that is a Redis) and to a file in HOME. A later claim whose value is not above the marks
that were read before it shows that the database has lost claims. Marks belong to one installation prefix and one
account, so installations that share a broker or a home never compare theirs.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dispatcher.config import Settings
from dispatcher.errors import UsageError

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

_BROKER_SECONDS = 2.0  # for one call to the broker: a claim waits for it
_BROKER_PAUSE = 10.0  # after a call that failed, the broker is left alone for so long
_RAISE = """
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) <= known then return known end
redis.call('SET', KEYS[1], ARGV[1])
return tonumber(ARGV[1])
"""


class PostedMarks:
    """The marks of one process, for any account."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened yet."""
        self._folder = settings.home / "run" / "posted"
        self._broker = _BrokerMarks(settings)

    def read(self, prefix: str, account_id: int) -> int:
        """The highest mark; 0 when there is none. A witness that cannot be read says nothing."""
        return max(self._from_file(prefix, account_id), self._broker.read(f"{prefix}:{account_id}"))

    def write(self, prefix: str, account_id: int, turn: int) -> int | None:
        """Raise the marks to a claim's value, and return the highest: what `read` would return next.

        None when no witness took it: then nothing may be posted.
        """
        in_file = self._to_file(prefix, account_id, turn)
        in_broker = self._broker.write(f"{prefix}:{account_id}", turn)
        return max((mark for mark in (in_file, in_broker) if mark is not None), default=None)

    def close(self) -> None:
        """Give the broker's connection back."""
        self._broker.close()

    def _path(self, prefix: str, account_id: int) -> Path:
        return self._folder / f"{prefix}-{account_id}"

    def _from_file(self, prefix: str, account_id: int) -> int:
        try:
            return int(self._path(prefix, account_id).read_bytes() or b"0")
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            log.warning("mark_not_read where=home error=%s", error)
            return 0

    def _to_file(self, prefix: str, account_id: int, turn: int) -> int | None:
        try:
            try:
                descriptor = os.open(self._path(prefix, account_id), os.O_RDWR | os.O_CREAT, 0o600)
            except FileNotFoundError:
                self._folder.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self._path(prefix, account_id), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                written = os.pread(descriptor, 32, 0)
                known = int(written) if written.strip().isdigit() else 0
                if turn > known:
                    os.pwrite(descriptor, b"%020d" % turn, 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("mark_not_written where=home error=%s", error)
            return None
        return max(turn, known)


class _BrokerMarks:
    """Marks in the broker; RabbitMQ keeps no values, so there are none in it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Redis | None = None
        self._not_before = 0.0

    def read(self, key: str) -> int:
        value = self._call(lambda client: client.get(f"dispatcher:posted:{key}"))
        return int(value) if isinstance(value, bytes) and value.isdigit() else 0

    def write(self, key: str, turn: int) -> int | None:
        mark = self._call(lambda client: client.eval(_RAISE, 1, f"dispatcher:posted:{key}", str(turn)))
        return mark if isinstance(mark, int) else None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _call(self, call: Callable[[Redis], object]) -> object:
        from redis import RedisError

        if time.monotonic() < self._not_before:
            return None
        try:
            client = self._connected()
            return call(client) if client is not None else None
        except (RedisError, OSError) as error:
            self._not_before = time.monotonic() + _BROKER_PAUSE
            log.warning("mark_not_reached where=broker error=%s", type(error).__name__)
            return None

    def _connected(self) -> Redis | None:
        if self._client is None:
            try:
                url = self._settings.celery_broker_url
            except UsageError:
                return None
            scheme = urlsplit(url).scheme
            if scheme not in ("redis", "rediss", "redis+socket"):
                return None
            from redis import Redis

            self._client = Redis.from_url(
                url.replace("redis+socket://", "unix://", 1),
                socket_timeout=_BROKER_SECONDS,
                socket_connect_timeout=_BROKER_SECONDS,
                **self._settings.redis_tls,
            )
        return self._client
