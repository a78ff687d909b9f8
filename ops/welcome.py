"""What whoever runs `up` at a terminal needs first, said last: where the page is, once it answers."""

from __future__ import annotations

import socket
from collections.abc import Callable

from dispatcher.access import users
from dispatcher.config import Settings
from dispatcher.db.errors import DRIVER_ERRORS
from dispatcher.i18n.words import worded
from dispatcher.runtime import Runtime

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # an address to listen at, none to call


class Welcome:
    """Says once how to come in; before the page answers, the lines of what is starting would bury it."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        """Nothing was said yet."""
        self._settings = settings
        self._say = say
        self._said = not settings.web_port or settings.log != "text"  # the link lets in whoever reads it

    def look(self) -> None:
        """Say it, if it is time."""
        if self._said or not self._answers():
            return
        self._said = True
        try:
            link = sign_in_link(self._settings)
        except DRIVER_ERRORS as error:  # a standby, or a server that went away just now
            why = type(error).__name__
            self._say(
                worded(
                    "The page answers, but no link could be made ({why}): `dispatcher user link` makes one.", why=why
                )
            )
            return
        self._say(f"\n  {worded('Open the page: {link}', link=link)}\n")
        self._say(worded("The link lets you in once, for 10 minutes. `dispatcher user link` makes another."))

    def _answers(self) -> bool:
        host = self._settings.web_host
        try:
            with socket.create_connection((_ANY.get(host, host), self._settings.web_port), timeout=0.2):
                return True
        except OSError:
            return False


def sign_in_link(settings: Settings) -> str:
    """Where the page lets an admin in, once and for some minutes."""
    runtime = Runtime(settings)
    try:
        return users.link_of(settings, users.make_link(runtime.engine, users.first_admin(runtime.engine)))
    finally:
        runtime.close()
