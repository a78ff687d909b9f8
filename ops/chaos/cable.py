"""A link to another network namespace that can be cut: what is sent then goes nowhere, without an error."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_NUMBER = os.getpid()  # several runs may be on one machine
_OUR_LINK, _THEIR_LINK = f"dsp{_NUMBER}a", f"dsp{_NUMBER}b"


def missing() -> str | None:
    """Why there cannot be one on this machine; None when there can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "only root may make a network whose cable can be cut, and only with iproute2"
    return None


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Cable:
    """`ours` and `theirs` are the addresses of its ends; `inside` is what a command is given to that runs beyond it."""

    space: str
    ours: str
    theirs: str

    @property
    def inside(self) -> tuple[str, ...]:
        """Put before a command, it runs that command at the other end."""
        return "ip", "netns", "exec", self.space

    def cut(self) -> None:
        """Let every packet vanish."""
        _ip("-n", self.space, "link", "set", _THEIR_LINK, "down")

    def mend(self) -> None:
        """Let packets through again."""
        _ip("-n", self.space, "link", "set", _THEIR_LINK, "up")


@contextmanager
def laid() -> Iterator[Cable]:
    """Lay one for the length of a block.

    Raises:
        subprocess.CalledProcessError: this machine makes no network namespaces.
    """
    space = f"dsp{_NUMBER}"
    ours, theirs = (f"10.213.{_NUMBER % 250}.{last}" for last in (1, 2))
    _ip("netns", "add", space)
    try:
        _ip("link", "add", _OUR_LINK, "type", "veth", "peer", "name", _THEIR_LINK, "netns", space)
        for where, link, address in (((), _OUR_LINK, ours), (("-n", space), _THEIR_LINK, theirs)):
            _ip(*where, "addr", "add", f"{address}/30", "dev", link)
            _ip(*where, "link", "set", link, "up")
        # Else a neighbour that does not answer is told to the socket, as no router beyond would tell it.
        their_mac = _ip("-n", space, "-br", "link", "show", _THEIR_LINK).split()[2]
        _ip("neigh", "replace", theirs, "lladdr", their_mac, "dev", _OUR_LINK, "nud", "permanent")
        yield Cable(space, ours, theirs)
    finally:
        _ip("netns", "delete", space)
