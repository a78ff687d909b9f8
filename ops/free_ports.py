"""Whether the ports that `dispatcher up` listens at are free, before it says that somebody can be reached there."""

from __future__ import annotations

import errno
import socket
import time

from dispatcher.config import Settings
from dispatcher.errors import DispatcherError
from dispatcher.i18n.words import worded

_PATIENCE = 5.0
"""Seconds in which a listener of an `up` that was killed has ended as well."""


def require(settings: Settings) -> None:
    """Refuse to go on where another program listens.

    Raises:
        DispatcherError: it names the port, and the setting that changes it.
    """
    ends = time.monotonic() + _PATIENCE
    for name, host, port in (
        ("DISPATCHER_WEB_PORT", settings.web_host, settings.web_port),
        ("DISPATCHER_PUSH_PORT", settings.push_host, settings.push_port),
        ("DISPATCHER_FLOWER_PORT", "127.0.0.1", settings.flower_port),
    ):
        while port and _is_taken(host, port):
            if time.monotonic() >= ends:
                raise DispatcherError(
                    worded("Another program listens at port {port} already.", port=port),
                    hint=worded("Stop that program, or set {name} to another port; 0 means none.", name=name),
                )
            time.sleep(0.2)


def _is_taken(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
