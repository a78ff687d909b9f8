"""Hints from outside the workers: that something is due now, so that nobody waits for the next tick."""

import logging
from typing import Any

from dispatcher.errors import BrokerUnavailable
from dispatcher.i18n.words import worded

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 1.0


def tick() -> None:
    """Have a worker look at what is due. Without a broker nothing changes: beat sends the same every second.

    Nothing is raised: what is due is in the database already, and must not look as if it had failed.
    """
    _send("dispatcher.tick")


def load_request(key: str) -> None:
    """Have a worker load a campaign request that was stored. A tick does it otherwise, some seconds later."""
    _send("dispatcher.load_request", key)


def check_list(check_id: str) -> None:
    """Have a worker check an uploaded list. A tick does it otherwise, some seconds later."""
    _send("dispatcher.check_list", check_id)


def queue_message(payload: dict[str, Any]) -> None:
    """Hand a single message to the workers: a payload, which the broker keeps until a worker has stored it.

    Raises:
        BrokerUnavailable: the broker did not take it.
    """
    try:
        from workers.app import app
        from workers.payloads import HIDDEN

        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_CONNECT_SECONDS)
            app.send_task("dispatcher.send_message", [payload], retry=False, connection=connection, argsrepr=HIDDEN)
    except Exception as error:
        raise BrokerUnavailable(worded("The broker did not take it: {why}.", why=type(error).__name__)) from None


def _send(task: str, *arguments: str) -> None:
    try:
        # The app reads at its import where the broker is, and an embedded one may not run.
        from workers.app import app
        from workers.schedule import EXPIRY

        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_CONNECT_SECONDS)
            app.send_task(task, arguments, retry=False, expires=EXPIRY, connection=connection)
    except Exception as error:
        log.info("hint_lost reason=%s", type(error).__name__)
