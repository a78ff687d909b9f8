"""`python -m ops.image.flower`: become Flower inside a container, with the password of DISPATCHER_FLOWER_AUTH.

It listens on every address of its container; which of them anybody reaches, the compose file says.
"""

import os
import sys

from dispatcher import config
from dispatcher.errors import UsageError
from ops import commands


def main() -> None:
    """Run Flower until SIGTERM."""
    try:
        settings = config.load()
    except UsageError as error:
        sys.exit(f"{error} {error.hint or ''}".strip())
    if settings.flower_auth is None:
        sys.exit("DISPATCHER_FLOWER_AUTH is not set: Flower would be open to everybody. Give it as user:password.")
    command = commands.flower(settings, "0.0.0.0")
    os.execve(command[0], command, {**os.environ, "FLOWER_BASIC_AUTH": settings.flower_auth.get_secret_value()})


if __name__ == "__main__":
    main()
