"""`python -m ops.leash PARENT COMMAND…`: become COMMAND, and be told to stop (SIGTERM) when the parent process dies.

A supervisor that is killed cannot stop its children. The kernel does it for it, on Linux; elsewhere they run on.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def put_on(parent: int) -> None:
    """Put this process on the leash; it ends at once when its parent died before."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        if os.getppid() != parent:  # it died before the leash was on
            sys.exit(1)


def main(parent: int, command: list[str]) -> None:
    """Put this process on the leash, which an exec keeps, and become the command."""
    put_on(parent)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
