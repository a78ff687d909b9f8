"""What a process needs to work: the settings, the database, the provider. Made once per thread, after any fork.

The provider's modules are imported when they are first used: most commands only look at the database.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from dispatcher import config, transports
from dispatcher.config import Settings
from dispatcher.db import engine as db_engine
from dispatcher.posted_marks import PostedMarks

if TYPE_CHECKING:
    from dispatcher.provider.http import HttpProvider
    from dispatcher.provider.inbox import Inbox
    from dispatcher.provider.message import Sender
    from dispatcher.transports import Formato, Transport

log = logging.getLogger("dispatcher")


@dataclass
class Runtime:
    """The settings with the connections that they describe, opened when first used."""

    settings: Settings
    pid: int = field(default_factory=os.getpid)
    _senders: dict[Transport, Sender] = field(default_factory=dict)
    _inboxes: dict[tuple[Transport, Formato], Inbox] = field(default_factory=dict)

    @cached_property
    def engine(self) -> Engine:
        """The database."""
        return db_engine.connect(self.settings.sqlalchemy_url)

    @cached_property
    def marks(self) -> PostedMarks:
        """The witnesses outside the database of how far accounts have posted."""
        return PostedMarks(self.settings)

    @cached_property
    def provider(self) -> HttpProvider:
        """The provider under the configured credential.

        Raises:
            UsageError: no API key is configured.
        """
        return self._http(self.settings.require_apikey())

    @cached_property
    def anonymous(self) -> HttpProvider:
        """The provider without a credential: its date needs none."""
        return self._http("")

    def _http(self, apikey: str) -> HttpProvider:
        from dispatcher.provider.http import HttpProvider

        return HttpProvider(
            self.settings.provider_url,
            apikey,
            timeout=self.settings.provider_timeout,
            ca_bundle=str(self.settings.ca_bundle) if self.settings.ca_bundle else None,
        )

    def sender(self, transport: Transport) -> Sender:
        """The way out for single messages; kept, since the Web Service's description is read once.

        Raises:
            UsageError: a setting that this transport needs is missing or cannot work.
        """
        if transport not in self._senders:
            self._senders[transport] = transports.sender(self.settings, transport)
        return self._senders[transport]

    def inbox(self, transport: Transport, formato: Formato = "text") -> Inbox:
        """The way in for replies: the Web Service when that is the transport, else the inbox page.

        Raises:
            UsageError: a setting that this transport needs is missing or cannot work.
        """
        if (transport, formato) not in self._inboxes:
            self._inboxes[transport, formato] = transports.inbox(self.settings, transport, formato)
        return self._inboxes[transport, formato]

    def close(self) -> None:
        """Give the connections back."""
        for sender in self._senders.values():
            sender.close()
        for inbox in self._inboxes.values():
            inbox.close()
        if "engine" in self.__dict__:
            self.engine.dispose()
        for name in ("provider", "anonymous", "marks"):
            if name in self.__dict__:
                getattr(self, name).close()


class _Current(threading.local):
    runtime: Runtime | None = None


_current = _Current()


def current() -> Runtime:
    """The runtime of this thread; a forked child gets its own, never its parent's sockets."""
    known = _current.runtime
    if known is None or known.pid != os.getpid():
        if known is not None and "engine" in known.__dict__:
            known.engine.dispose(close=False)
        known = _current.runtime = Runtime(config.settings())
    return known
