"""Crash points: where a worker of the harness kills or stops itself, to the statement. The product knows none of this.

A plan travels in the environment; `install` wraps the named function in the worker's process before it forks.
"""

import fcntl
import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from dispatcher.campaigns import filling
from dispatcher.maintenance import tick
from dispatcher.provider import call, guarded_connection, sockets
from dispatcher.provider.http import HttpProvider
from dispatcher.results import doubts, settle
from dispatcher.results.poll_cycle import Questions
from dispatcher.results.polling import Poller
from dispatcher.sending import claims, pump

VARIABLE = "CHAOS_PLAN"
Action = Literal["kill", "kill_group", "stop"]


@dataclass(frozen=True)
class Plan:
    """What happens to the processes that get it.

    Attributes:
        folder: where strikes are counted, over all processes.
        point: a key of `POINTS`; None = none.
        action: SIGKILL of the process that arrives there, of its whole group, or SIGSTOP.
        times, after: strike so often, after so many passes.
        lease_margin: seconds that a lease outlives a call (30 in production).
        clock_refresh: seconds between two looks at the provider's clock (60 in production).
        double: every hint is published twice.
    """

    folder: str
    point: str | None = None
    action: Action = "kill"
    times: int = 1
    after: int = 0
    lease_margin: float = 3.0
    clock_refresh: float = 60.0
    double: bool = False

    @classmethod
    def of_environment(cls) -> Self:
        """The plan that this process was given."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def environment(self) -> dict[str, str]:
        """The same for a process to come."""
        return {VARIABLE: json.dumps(asdict(self))}

    def victims(self) -> list[int]:
        """The processes that were struck so far, in order."""
        return [int(path.read_text()) for path in sorted(Path(self.folder).glob("struck-*")) if path.read_text()]

    def strike(self) -> None:
        """Pass the point; when it is this pass's turn, this is the end."""
        number = _count(Path(self.folder) / "passes") - self.after
        if not 0 < number <= self.times:
            return
        (Path(self.folder) / f"struck-{number:04d}").write_text(str(os.getpid()))
        if self.action == "kill_group":
            os.killpg(os.getpgrp(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGSTOP if self.action == "stop" else signal.SIGKILL)


def _count(path: Path) -> int:
    """One more; how many that makes over all processes."""
    with path.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        number = int(stream.read() or 0) + 1
        stream.truncate(0)
        stream.write(str(number))
        stream.flush()
        return number


Strike = Callable[[], None]


def _before(owner: Any, name: str) -> Callable[[Strike], None]:
    """Strike when the function is called."""

    def install(strike: Strike) -> None:
        original = getattr(owner, name)

        def struck(*args: Any, **kwargs: Any) -> Any:
            strike()
            return original(*args, **kwargs)

        setattr(owner, name, struck)

    return install


def _after(owner: Any, name: str) -> Callable[[Strike], None]:
    """Strike when the function returns."""

    def install(strike: Strike) -> None:
        original = getattr(owner, name)

        def struck(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            strike()
            return result

        setattr(owner, name, struck)

    return install


def _around_guard(*, after: bool) -> Callable[[Strike], None]:
    """Strike with the connection of a POST standing and no byte sent, before or after the last look at the lease."""

    def install(strike: Strike) -> None:
        original = call.Call.check

        def check(self: call.Call) -> None:
            if self.guard is not None and not after:
                strike()
            original(self)
            if self.guard is not None and after:
                strike()

        setattr(call.Call, "check", check)  # noqa: B010 - a method, which mypy will not have assigned

    return install


def _half_body(strike: Strike) -> None:
    """Strike when half of a POST's body has left."""
    original = sockets.DeadlineSocket.sendall

    def sendall(self: sockets.DeadlineSocket, data: Any, *args: Any) -> None:
        raw = bytes(data)
        if b"bloque=" not in raw[:400]:
            return original(self, data, *args)
        half = len(raw) // 2
        original(self, raw[:half])
        strike()
        return original(self, raw[half:])

    setattr(sockets.DeadlineSocket, "sendall", sendall)  # noqa: B010


def _answer_unread(strike: Strike) -> None:
    """Strike when the answer to a POST is there and nobody has read it."""
    original = guarded_connection.GuardedConnection.getresponse

    def getresponse(self: Any) -> Any:
        if self.call.guard is not None:
            self.sock.recv(1, socket.MSG_PEEK)
            strike()
        return original(self)

    setattr(guarded_connection.GuardedConnection, "getresponse", getresponse)  # noqa: B010


def _inside_split(strike: Strike) -> None:
    """Strike inside the transaction that moves the absent lines, with the family locked."""
    original: Any = doubts.__dict__["query"]

    def query(name: str) -> Any:
        if name == "split_absent":
            strike()
        return original(name)

    setattr(doubts, "query", query)  # noqa: B010


POINTS: dict[str, Callable[[Strike], None]] = {
    "inside_claim": _after(claims, "_claim"),
    "after_claim": _before(pump, "_submit"),
    "before_guard": _around_guard(after=False),
    "before_post": _around_guard(after=True),
    "half_body": _half_body,
    "answer_unread": _answer_unread,
    "before_finish": _before(claims, "finish_accepted"),
    "after_finish": _after(claims, "accept"),
    "inside_settle": _after(settle, "settle_ours"),
    "cursor_moved": _after(Questions, "move"),
    "after_probe": _after(HttpProvider, "status_by_idinterno"),
    "inside_split": _inside_split,
    "inside_load": _after(filling, "copy_batch"),
}
"""Where a process may be struck; each is passed by the process that does the work."""


def install(plan: Plan) -> None:
    """Shorten this process's times as the plan says, and set its crash point."""
    claims.LEASE_MARGIN = plan.lease_margin
    tick._CLOCK_REFRESH = timedelta(seconds=plan.clock_refresh)
    setattr(  # noqa: B010
        Poller, "_lease", property(lambda self: self.runtime.settings.provider_timeout * 2 + plan.lease_margin)
    )
    if plan.point:
        POINTS[plan.point](plan.strike)


def publish_twice() -> None:
    """Have this process publish every hint twice, as a broker's lost reply does."""
    from workers import tasks  # reads the settings: only in a worker

    original = tasks._hint

    def hint(name: str, *arguments: Any) -> None:
        original(name, *arguments)
        original(name, *arguments)

    setattr(tasks, "_hint", hint)  # noqa: B010
