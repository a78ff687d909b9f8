"""What each thing that is done all day takes in a new installation, and over the history of a year."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from dispatcher.accounts import binding, provider_clock
from dispatcher.campaigns import overview, summary
from dispatcher.maintenance import doctor
from dispatcher.maintenance.metrics import Metrics
from dispatcher.maintenance.tick import tick
from dispatcher.people import history as person
from dispatcher.results.polling import Poller
from dispatcher.runtime import Runtime
from dispatcher.sending import pump
from ops.bench.history_rows import Size, begin, fill
from ops.bench.lists import write_list
from ops.bench.stack import Stack, stack

LIST = 20_000
_ROUNDS = 15
_LONGEST_POLL = 60.0
_CAMPAIGNS = 3
PERSON = "1120012345"


@dataclass(frozen=True)
class Outcome:
    """Seconds of each operation, the fastest of its rounds: what else the machine does only adds to it.

    Attributes:
        new, full: operation -> seconds, in the new installation and with the history.
        made: seconds that making the history took.
        to_person: messages of the person who was looked for, `person` seconds of finding them and all else of it.
        sealed: bytes a message takes in the sealed ranges, indexes included.
    """

    size: Size
    new: dict[str, float]
    full: dict[str, float]
    made: float
    to_person: int
    person: float
    sealed: float
    ranges: int


def measure(messages: int) -> Outcome:
    """Measure, make a history of so many messages, and measure again."""
    size = Size.of(messages)
    with stack("history") as running:
        running.load(write_list(running.home / "first.csv", 10))
        begin(running)
        provider_clock.ensure(running.runtime, running.scalar("SELECT id FROM account"))
        new = operations(running)
        began = time.monotonic()
        fill(running, size)
        made = time.monotonic() - began
        full = operations(running)
        with running.runtime.engine.connect() as connection:
            found = person.find(connection, PERSON, 1000)
            person_all = _fastest(lambda: person.find(connection, PERSON, 1000))
        return Outcome(
            size,
            new,
            full,
            made,
            len(found.messages),
            person_all,
            running.scalar(_BYTES) / max(1, running.scalar(_ROWS)),
            running.scalar("SELECT count(*) FROM message_range WHERE sealed"),
        )


def operations(running: Stack) -> dict[str, float]:
    """Seconds of each operation, the fastest of its rounds."""
    runtime, took = running.runtime, dict[str, list[float]]()

    def time_of(name: str, work: Callable[[], object], rounds: int = _ROUNDS) -> None:
        for _ in range(rounds):
            began = time.monotonic()
            work()
            took.setdefault(name, []).append(time.monotonic() - began)

    with runtime.engine.connect() as connection:
        account = binding.find(connection, runtime.settings)
    assert account is not None
    path = write_list(running.home / "clientes.csv", LIST)
    for _ in range(_CAMPAIGNS):
        running.simulator.reset()
        time_of(f"load of {LIST:,}", lambda: running.load(path), 1)
        time_of(f"claim, POST and finish of {LIST:,}", lambda: _pump(runtime, account.id), 1)
        running.wait(lambda: running.simulator.stats()["waiting"] == 0, 60, "the provider has not every result")
        time_of(f"poll and settle of {LIST:,}", lambda: _poll(running, account), 1)
    newest = running.scalar("SELECT max(id) FROM campaign")
    with runtime.engine.connect() as connection:
        time_of("`campaign list`", lambda: summary.listing(connection))
        time_of("`campaign show`", lambda: summary.show(connection, newest))
        time_of("the figures of the home page", lambda: _home(connection, account.id))
    time_of("tick", lambda: tick(runtime))
    time_of("`doctor`", lambda: doctor.examine(runtime.settings), 3)
    time_of("`/metrics`", lambda: list(Metrics(runtime).collect()))
    return {name: min(rounds) for name, rounds in took.items()}


def _pump(runtime: Runtime, account_id: int) -> None:
    while pump.pump(runtime, account_id):
        pass


def _poll(running: Stack, account: binding.Bound) -> None:
    poller = Poller(running.runtime, account)
    ends = time.monotonic() + _LONGEST_POLL
    while running.scalar("SELECT sum(messages - resulted) FROM chunk"):
        if time.monotonic() > ends:
            raise RuntimeError(f"not every message has a result after {_LONGEST_POLL:.0f} s")
        poller.run(0)


def _home(connection: Connection, account_id: int) -> None:
    overview.overview(connection)
    overview.last_days(connection, account_id, datetime.now(UTC))
    overview.replies_to_review(connection)


def _fastest(work: Callable[[], object]) -> float:
    took = []
    for _ in range(_ROUNDS):
        began = time.monotonic()
        work()
        took.append(time.monotonic() - began)
    return min(took)


_BYTES = "SELECT sum(pg_total_relation_size(name::regclass)) FROM message_range WHERE sealed"
_ROWS = "SELECT sum(rows) FROM message_range WHERE sealed"
