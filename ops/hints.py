"""Hints from outside the workers: that something is due now, so that nobody waits for the next tick."""

from kombu.exceptions import OperationalError

from dispatcher.errors import UsageError

_CONNECT_SECONDS = 1.0


def tick() -> None:
    """Have a worker look at what is due; a broker that is away changes nothing, since beat sends the same each second."""
    try:
        # The app reads at its import where the broker is, and an embedded one may not run.
        from workers.app import app
        from workers.schedule import EXPIRY

        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_CONNECT_SECONDS)
            app.send_task("dispatcher.tick", retry=False, expires=EXPIRY, connection=connection)
    except (OperationalError, OSError, UsageError):
        return
