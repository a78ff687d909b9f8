"""Hints from outside the workers: that something is due now, so that nobody waits for the next tick."""

from kombu.exceptions import OperationalError

from dispatcher.errors import UsageError

_CONNECT_SECONDS = 1.0


def submit(account_id: int) -> None:
    """Ask for a pump of an account; a broker that is away changes nothing, since the next tick finds the same."""
    try:
        # The app reads at its import where the broker is, and an embedded one may not run.
        from workers.app import app
        from workers.schedule import EXPIRY

        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_CONNECT_SECONDS)
            app.send_task("dispatcher.submit", args=[account_id], retry=False, expires=EXPIRY, connection=connection)
    except (OperationalError, OSError, UsageError):
        return
