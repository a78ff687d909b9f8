"""Hints from outside the workers: that something is due now, so that nobody waits for the next tick."""

import logging

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
