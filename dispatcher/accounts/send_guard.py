"""The last check before the first byte of a message leaves: the lease, the window and the deadline once more.

A claim or a record has checked them before, but connecting takes time, and a process may stand still in between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatcher.domain.window import Window
from dispatcher.errors import SendRefusedByGuard
from dispatcher.provider.deadline import now as boot_clock


@dataclass(frozen=True, slots=True)
class Held:
    """What a process may post, and until when.

    `latest` is the provider's clock at most, at the moment `since` of the boot clock. The lease ends at `lease_ends`,
    also by the boot clock. `expires_at` is the deadline, in provider time.
    """

    latest: datetime
    since: float
    lease_ends: float
    expires_at: datetime | None = None


def send_guard(window: Window, held: Held, timeout: float) -> Callable[[], None]:
    """A check for a call of at most `timeout` seconds; call it right before the first byte.

    The check raises SendRefusedByGuard when the lease does not last for the whole call, or when the window has closed
    or the deadline has passed.
    """

    def check() -> None:
        now = boot_clock()
        if now + timeout > held.lease_ends:
            raise SendRefusedByGuard("too little of the lease was left when the connection stood")
        moment = held.latest + timedelta(seconds=now - held.since)
        if not window.always and moment >= window.last_start(held.latest):
            raise SendRefusedByGuard("the window closed while connecting")
        if held.expires_at and moment >= held.expires_at:
            raise SendRefusedByGuard("the deadline passed while connecting")

    return check
