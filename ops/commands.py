"""The commands that `up` runs; the compose file and the systemd units run the same."""

import os
import secrets
import sys

from dispatcher.config import Settings

QUEUES = ("tick", "submit", "poll", "control", "urgent", "webhooks")
"""Each has a worker of its own, named after it."""


def celery(*arguments: str) -> list[str]:
    """A Celery command for our app, with this interpreter, and without its banner."""
    return [sys.executable, "-m", "celery", "-q", "-A", "workers.app:app", *arguments]


def worker(settings: Settings, queue: str) -> list[str]:
    """The worker of one queue: nothing that waits in another one holds it up.

    What sends runs in processes: a crash takes one call along, and Celery can kill one that hangs. What waits for
    answers or for the database runs in threads, at a tenth of the memory; its calls have deadlines of their own. The
    tick runs in the worker itself, one at a time.
    """
    pool, places = {
        "tick": ("solo", 1),
        "submit": ("prefork", settings.workers_submit or settings.concurrency),
        "poll": ("threads", settings.workers_poll),
        "control": ("threads", settings.workers_control),
        "urgent": ("prefork", settings.workers_urgent),
        "webhooks": ("threads", settings.workers_webhooks),
    }[queue]
    return celery("worker", "-Q", queue, "-n", f"{queue}@%h", "-P", pool, "-c", str(places))


def flower(settings: Settings, address: str = "127.0.0.1") -> list[str]:
    """Flower's command; its password is FLOWER_BASIC_AUTH, since arguments are for everybody to see."""
    return celery(
        "flower",
        f"--address={address}",
        f"--port={settings.flower_port}",
        "--persistent=False",  # tasks name campaigns, and a file of them would outlive every retention
        "--max_tasks=10000",
    )


def flower_auth(settings: Settings) -> str:
    """user:password of Flower: as configured, else drawn once and kept in HOME, readable by its owner alone."""
    if settings.flower_auth is not None:
        return settings.flower_auth.get_secret_value()
    path = settings.home / "run" / "flower.auth"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(f"dispatcher:{secrets.token_urlsafe(12)}")
    return path.read_text(encoding="utf-8").strip()
