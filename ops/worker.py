"""`python -m ops.worker QUEUE`: become the worker of one queue, as large as the settings say."""

import os

import click

from dispatcher import config
from ops import supervisor


@click.command()
@click.argument("queue", type=click.Choice(supervisor.QUEUES))
def main(queue: str) -> None:
    """Run the worker of QUEUE until SIGTERM."""
    command = supervisor.worker(config.load(), queue)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
