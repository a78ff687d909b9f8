"""Health checks of the compose file's services: exit 0 when well, 1 with one sentence when not.

They look at what a service does, not at whether its process is there. No check asks the provider anything: when it
is down, restarting containers helps nobody.
"""

import socket
import urllib.request
from collections.abc import Callable
from datetime import timedelta

import click
from celery import Celery
from sqlalchemy import text

from dispatcher import config
from dispatcher.runtime import Runtime

_TICK_WITHIN = timedelta(seconds=30)


def _worker(name: str) -> None:
    """The worker NAME@this host answers over the broker."""
    node = f"{name}@{socket.gethostname()}"
    settings = config.load()
    with Celery("healthcheck", broker=settings.celery_broker_url) as client:
        client.conf.update(settings.celery_tls)
        if not client.control.ping(destination=[node], timeout=5):
            raise click.ClickException(f"{node} does not answer")


def _beat(_: str) -> None:
    """A tick that beat sent was run lately."""
    runtime = Runtime(config.load())
    with runtime.engine.connect() as connection:
        age = connection.execute(text("SELECT clock_timestamp() - at FROM heartbeat WHERE name = 'tick'")).scalar()
    runtime.close()
    if age is None or age > _TICK_WITHIN:
        raise click.ClickException(f"no tick for {age}")


def _http(url: str) -> None:
    """The page at URL answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            answer.read()
    except OSError as error:
        raise click.ClickException(f"{url}: {error}") from None


CHECKS: dict[str, Callable[[str], None]] = {"worker": _worker, "beat": _beat, "http": _http}


@click.command()
@click.argument("check", type=click.Choice(list(CHECKS)))
@click.argument("what", default="")
def main(check: str, what: str) -> None:
    """Run one CHECK: `worker NAME`, `beat`, `http URL`."""
    CHECKS[check](what)


if __name__ == "__main__":
    main()
