"""`python -m ops.worker QUEUE`: become the worker of one queue, as large as the settings say."""

import os
import sys

import click

from dispatcher import config
from dispatcher.errors import UsageError
from ops import commands


@click.command()
@click.argument("queue", type=click.Choice(commands.QUEUES))
def main(queue: str) -> None:
    """Run the worker of QUEUE until SIGTERM."""
    try:
        command = commands.worker(config.load(), queue)
    except UsageError as error:
        sys.exit(f"{error} {error.hint or ''}".strip())
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
