"""One scenario while it runs: what it may do to the stack, and what it learns."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from dispatcher import config
from dispatcher.campaigns import audit, lifecycle, loading, summary
from dispatcher.campaigns.summary import Summary
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import UsageError
from dispatcher.ingest import from_recipients
from dispatcher.runtime import Runtime
from ops.chaos.arena import APIKEY, Arena
from ops.chaos.points import Plan
from ops.chaos.processes import Processes
from ops.chaos.tally import Forbidden, Pair, Tally, count
from ops.demo import isolated
from ops.simulator.clock import iso, parse_iso
from ops.simulator.process import ROOT
from schemas.payload import CampaignSpec

SETTINGS = {
    "APIKEY": APIKEY,
    "NO_DOTENV": "1",
    "WINDOW": "00:00-24:00",
    "CHUNK_SIZE": "100",
    "POLL_INTERVAL": "1",
    "PROVIDER_TIMEOUT": "2",
    "IN_DOUBT_HORIZON": "2",
    "PROBE_RATE": "400",
    "RESULT_HORIZON": "3600",
    "CLOCK_LIMIT": "0",  # scenarios set the provider's clock to other days
}
"""DISPATCHER_ settings of every scenario: production's rules with shorter times."""

_T = TypeVar("_T")

_UNFINISHED = """
SELECT (SELECT count(*) FROM chunk WHERE state IN ('due', 'sending', 'accepted', 'in_doubt'))
     + (SELECT count(*) FROM campaign c WHERE state NOT IN ('completed', 'cancelled')
        AND NOT EXISTS (SELECT 1 FROM chunk k WHERE k.campaign_id = c.id AND k.state = 'held'))
"""


class Run:
    """A stack with a database of its own. Times are seconds; `dice` is seeded by scenario and seed."""

    def __init__(
        self, arena: Arena, name: str, seed: int, settings: dict[str, str], options: dict[str, object]
    ) -> None:
        """Set the servers back; nothing runs yet but they."""
        self.arena, self.name, self.simulator = arena, name, arena.simulator
        self.dice = random.Random(f"{name}:{seed}")
        self.folder = arena.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = "chaos_" + name.replace("-", "_")
        url = arena.reset(self.database, {**options, "seed": seed})
        self.values = {
            "DISPATCHER_HOME": str(self.folder),
            "DISPATCHER_DATABASE_URL": url,
            "DISPATCHER_BROKER_URL": arena.broker_url,
            "DISPATCHER_PROVIDER_URL": self.simulator.url,
            **{f"DISPATCHER_{key}": value for key, value in {**SETTINGS, **settings}.items()},
        }
        self.runtime = self.connect()
        self.processes = Processes(self._environment(), self.folder)
        self.inputs: dict[int, list[Pair]] = {}
        self.forbidden: list[Forbidden] = []
        self.complaints: list[str] = []
        self.notes: list[str] = []
        self.stack = ExitStack()  # what a scenario started besides; ended before the processes
        self.former_prefixes: set[str] = set()  # of a database that was lost: what it sent is not counted
        self.clock_is_own = False
        self.healed_at: float | None = None

    def connect(self, **changes: str) -> Runtime:
        """A runtime of the scenario's settings, with changes."""
        values = {**self.values, **{f"DISPATCHER_{key}": value for key, value in changes.items()}}
        with isolated(self.folder, **values):
            return Runtime(config.load())

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        return {**os.environ, **self.values, "PYTHONPATH": path, "POLARS_MAX_THREADS": "1"}

    def enter(self, block: AbstractContextManager[_T]) -> _T:
        """Have something until the scenario's end."""
        return self.stack.enter_context(block)

    def use_database(self, url: str, near: str) -> None:
        """Another database from now on: `url` is the processes' way to it, `near` one that no fault touches."""
        self.runtime.close()
        self.values["DISPATCHER_DATABASE_URL"] = near
        self.processes.environment["DISPATCHER_DATABASE_URL"] = url
        self.runtime = self.connect()

    # -- campaigns ---------------------------------------------------------------------------------------------

    def people(self, rows: int, first: int = 0) -> list[dict[str, object]]:
        """Clean recipients."""
        return [{"telefono": f"11{20_000_000 + first + n}", "n": str(first + n)} for n in range(rows)]

    def load(self, rows: int = 2000, first: int = 0, **spec: Any) -> int:
        """A campaign whose texts no other campaign of this scenario has. Returns its number."""
        people = self.people(rows, first)
        words = spec.pop("template", f"Aviso {len(self.inputs) + 1} para {{n}}")
        with from_recipients(people) as source, self.runtime.engine.begin() as connection:
            loaded = loading.load(connection, self.runtime.settings, CampaignSpec(template=words, **spec), source)
        assert loaded.campaign_id is not None
        self.expect_rows(loaded.campaign_id, people, words)
        return loaded.campaign_id

    def expect_rows(self, campaign_id: int, people: list[dict[str, object]], template: str) -> None:
        """Have the count expect these people in a campaign."""
        self.inputs[campaign_id] = [Pair(str(who["telefono"]), template.format(**who)) for who in people]

    def show(self, campaign_id: int) -> Summary:
        """A campaign's summary."""
        with self.runtime.engine.connect() as connection:
            return summary.show(connection, campaign_id)

    def sql(self, statement: str, **parameters: Any) -> list[Any]:
        """Run a statement and commit; its rows, if it has any."""
        with self.runtime.engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return list(result.all()) if result.returns_rows else []

    def value(self, statement: str, **parameters: Any) -> Any:
        """The one value of a query."""
        return self.sql(statement, **parameters)[0][0]

    # -- faults ------------------------------------------------------------------------------------------------

    def plan(self, point: str | None = None, **changes: Any) -> Plan:
        """What befalls processes that are started from now on."""
        self.processes.plan = Plan(str(self.folder), point, **changes)
        return self.processes.plan

    def fault(self, kind: str, **fields: Any) -> None:
        """Switch a fault of the provider on."""
        self.simulator.set_faults({"kind": kind, **fields})

    def healed(self) -> None:
        """The fault is over: recovery is measured from here."""
        self.healed_at = time.monotonic()

    def expect(self, condition: object, words: str) -> None:
        """A promise that the ledger alone does not show."""
        if not condition:
            self.complaints.append(words)

    def measured(self, words: str) -> None:
        """A figure that belongs beside the row."""
        self.notes.append(words)

    # -- time --------------------------------------------------------------------------------------------------

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
        """Look ten times a second until it holds; a complaint, and None, when it does not."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if found := condition():
                return found
            time.sleep(0.1)
        self.complaints.append(f"not within {seconds:.0f} s: {what}")
        return None

    def wait_posts(self, number: int, seconds: float = 60.0) -> None:
        """Wait until the provider has had so many POSTs."""
        self.wait(lambda: self.simulator.stats()["posts"] >= number, f"{number} posts", seconds)

    def wait_struck(self, plan: Plan, number: int) -> None:
        """Wait until so many processes have been struck."""
        self.wait(lambda: len(plan.victims()) >= number, f"strike {number} at {plan.point}", 90)

    def wait_clock(self, moment: float, seconds: float = 60.0) -> None:
        """Wait until the provider's clock shows this moment."""
        self.wait(lambda: self.provider_now() >= moment, f"{iso(moment)} on the provider's clock", seconds)

    def pass_time(self, seconds: float) -> None:
        """Let real time pass: a fault that lasts, a clock that has to tick."""
        time.sleep(seconds)

    def provider_now(self) -> float:
        """The provider's clock, unix seconds."""
        return parse_iso(str(self.simulator.stats()["now"]))

    def provider_time(self) -> datetime:
        """The provider's clock."""
        return datetime.fromtimestamp(self.provider_now(), PROVIDER_ZONE)

    def jump(self, **clock: Any) -> None:
        """Move the provider's clock while it is certain that nothing begins, and have it measured anew.

        A measurement under way may still write the old offset: it is thrown away twice.
        """
        self.simulator.set_clock(**clock)
        for _ in range(2):
            self.forget_clock()
            time.sleep(0.3)

    def step_clock(self, seconds: float) -> None:
        """Set the database's clock so far off the machine's; the first call, before anything runs, makes it movable."""
        if not self.clock_is_own:
            self.runtime.close()
            self.arena.own_clock(self.database)
            self.runtime, self.clock_is_own = self.connect(), True
        self.sql("UPDATE chaos_clock.step SET seconds = :s", s=seconds)

    def forget_clock(self) -> None:
        """Throw the measurement of the provider's clock away."""
        self.sql("UPDATE account SET clock_measured_at = NULL, clock_low_ms = NULL, clock_high_ms = NULL")

    def hurry(self, seconds: float) -> None:
        """As if so many seconds had passed for the account's backoff and polls."""
        self.sql(
            "UPDATE account SET retry_at = retry_at - make_interval(secs => :s), "
            "poll_at = poll_at - make_interval(secs => :s)",
            s=seconds,
        )

    def iso(self, at: float) -> str:
        """A moment of the provider's clock as campaigns write it."""
        return iso(at)

    def forbid(self, campaign_id: int, begins: float, ends: float = float("inf"), why: str = "") -> None:
        """Nothing of a campaign may arrive in this span of the provider's clock."""
        self.forbidden.append(Forbidden(campaign_id, begins, ends, why))

    @contextmanager
    def paused(self, campaign_id: int) -> Iterator[None]:
        """Pause a campaign for the length of a block: from when pause says that nothing is in flight."""
        halted = lifecycle.pause(self.runtime.engine, campaign_id, wait=20)
        self.expect(halted.in_flight == 0, f"pause returned with {halted.in_flight} in flight")
        begins = datetime.now(UTC).timestamp()
        yield
        self.forbid(campaign_id, begins, datetime.now(UTC).timestamp(), "paused")
        try:
            lifecycle.resume(self.runtime.engine, campaign_id)
        except UsageError:
            # Everything was out before the pause: the last results came meanwhile, and there is nothing to resume.
            self.expect(self.show(campaign_id).state == "completed", "a paused campaign cannot be resumed")

    # -- the end -----------------------------------------------------------------------------------------------

    def finished(self) -> bool:
        """Whether nothing moves any more by itself."""
        try:
            return bool(self.value(_UNFINISHED) == 0)
        except OperationalError:
            return False  # the database is a fault's subject

    def finish(self, patience: float) -> Tally:
        """Wait for the end and count."""
        healed_at = self.healed_at or time.monotonic()
        ends = time.monotonic() + patience
        while not self.finished() and time.monotonic() < ends:
            time.sleep(0.1)
        recovery = time.monotonic() - healed_at
        tally = count(self.inputs, self._messages(), self._ledger(), self.forbidden)
        tally.posts = int(self.simulator.stats()["posts"])
        tally.recovery = recovery
        tally.complaints += self.complaints
        tally.notes += self.notes
        for campaign_id in self.inputs:
            with self.runtime.engine.connect() as connection:
                tally.complaints += audit.audit(connection, campaign_id).complaints
        return tally

    def _ledger(self) -> list[dict[str, Any]]:
        """The provider's lines, without those that a lost database had sent."""
        former = tuple(f"M{prefix}" for prefix in self.former_prefixes)
        return [
            line for line in self.simulator.ledger() if not str(line.get("idinterno", "")).upper().startswith(former)
        ]

    def _messages(self) -> list[Any]:
        return [
            row
            for campaign_id in self.inputs
            for row in self.sql("SELECT * FROM message_status WHERE campaign_id = :id", id=campaign_id)
        ]

    def close(self) -> None:
        """End what runs."""
        self.stack.close()
        self.processes.kill()
        self.simulator.release()
        self.runtime.close()
