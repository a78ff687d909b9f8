"""What a process needs to work: the settings, the database, the provider. Made once per process, after any fork."""

import logging
import os
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import Engine

from dispatcher import config, database
from dispatcher.config import Settings
from dispatcher.provider.http import HttpProvider

log = logging.getLogger("dispatcher")


@dataclass
class Runtime:
    """The settings with the connections that they describe, opened when first used."""

    settings: Settings
    pid: int = field(default_factory=os.getpid)

    @cached_property
    def engine(self) -> Engine:
        """The database."""
        return database.connect(self.settings.sqlalchemy_url)

    @cached_property
    def provider(self) -> HttpProvider:
        """The provider under the configured credential.

        Raises:
            UsageError: no API key is configured.
        """
        return HttpProvider(
            self.settings.provider_url,
            self.settings.require_apikey(),
            timeout=self.settings.provider_timeout,
            ca_bundle=str(self.settings.ca_bundle) if self.settings.ca_bundle else None,
        )

    def close(self) -> None:
        """Give the connections back."""
        if "engine" in self.__dict__:
            self.engine.dispose()
        if "provider" in self.__dict__:
            self.provider.close()


_current: Runtime | None = None


def current() -> Runtime:
    """The runtime of this process; a forked child gets its own, never its parent's sockets."""
    global _current
    if _current is None or _current.pid != os.getpid():
        if _current is not None and "engine" in _current.__dict__:
            _current.engine.dispose(close=False)
        _current = Runtime(config.settings())
    return _current
