"""Millions of messages under mixed faults: campaign after campaign on one database, each leg counted by itself.

A leg is a million messages in four campaigns that overlap. While they run, faults come in a seeded order, the next one
once the doubts of the last one are decided. At the end of a leg everything must be final; then the simulator's ledger
is compared with the database, column by column, and forgotten, so that nothing grows with the number of messages but
the database. A line that is sent again in a later leg belongs to nobody there, and counts as sent twice.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import click
import polars as pl
import psycopg
from psycopg import sql

from dispatcher.campaigns import audit, loading
from dispatcher.ingest import open_source
from ops.chaos import books
from ops.chaos.arena import Arena
from ops.chaos.run import Run
from ops.chaos.scenarios import mixed
from ops.chaos.tally import Tally
from schemas.payload import CampaignSpec

LEG = 1_000_000
CAMPAIGNS = 4
_PRIORITIES: tuple[Literal["high", "normal", "low"], ...] = ("normal", "high", "low", "normal")
SETTINGS = {
    "CHUNK_SIZE": "1000",
    "PROVIDER_TIMEOUT": "5",
    "PROBE_RATE": "1000",
    "MAX_RESENDS": "10",
}
OPTIONS: dict[str, object] = {"latency": 0.005, "delay_min": 0, "delay_max": 1, "max_answer": 0, "mix": {"-10": 0.01}}
_LEG_SECONDS = 300.0
SPACING = 20
"""POSTs between two faults, at least."""
_DUE = "SELECT count(*) FROM chunk WHERE state = 'due'"
_DOUBTS = "SELECT count(*) FROM chunk WHERE state = 'in_doubt'"
_STATUS = ", ".join(books.MESSAGES)


def slow_results(run: Run) -> None:
    """Results take seconds, and come in any order."""
    run.simulator.set_option(out_of_order=True, delay_max=4)


def usual_results(run: Run) -> None:
    """Results come within a second again."""
    run.simulator.set_option(out_of_order=False, delay_max=1)


def repeat_results(run: Run) -> None:
    """The result lines of the next POSTs come twice."""
    run.fault("repeat", copies=2, times=20)


def server_errors(run: Run) -> None:
    """The next two POSTs get a 500, after some of their lines were taken."""
    run.fault("error", take=run.dice.choice(["all", "half", "none"]), times=2)


def kill_broker(run: Run) -> None:
    """The broker dies and comes back empty."""
    run.arena.kill_broker()
    run.arena.revive()


FAULTS: tuple[Callable[[Run], None], ...] = (
    *(mixed.lose_answers, server_errors, slow_results, repeat_results, usual_results),
    *(mixed.kill_child, mixed.restart_worker, kill_broker, mixed.cut_postgres, mixed.crash_postgres),
    *(mixed.lose_answers, mixed.fail_polls, mixed.fail_polls, mixed.refuse),
)
"""Each comes once before any comes again."""


@dataclass
class Marathon:
    """One run of many legs. `total` adds up the legs; its recovery is the longest wait for a leg's end."""

    run: Run
    total: Tally = field(default_factory=Tally)
    faults: Counter[str] = field(default_factory=Counter)
    _coming: list[Callable[[Run], None]] = field(default_factory=list)
    checking: float = 0.0

    def leg(self, number: int, messages: int) -> Tally:
        """Send so many messages under every fault, wait for the last result, and count."""
        run = self.run
        run.arena.admin("CHECKPOINT")  # a crash of this leg has this leg's log to recover from
        sizes = [messages * (n + 1) // CAMPAIGNS - messages * n // CAMPAIGNS for n in range(CAMPAIGNS)]
        wanted = []
        for campaign, rows in enumerate(sizes):
            wanted.append(self._load(number, campaign, rows))
            self._break_something()
        while run.value(_DUE):
            self._break_something()
        usual_results(run)
        sent = time.monotonic()
        run.wait(run.finished, f"leg {number} is final", _LEG_SECONDS)
        recovery = time.monotonic() - sent
        tally = self._count(pl.concat(wanted))
        tally.recovery = recovery
        self._forget()
        return tally

    def _break_something(self) -> None:
        """The next fault, once some POSTs were made and few doubts are left: with three, POSTs go one at a time."""
        run = self.run
        begun = run.simulator.stats()["posts"]

        def calm() -> bool:
            if not run.value(_DUE):
                return True
            return bool(run.simulator.stats()["posts"] >= begun + SPACING and run.value(_DOUBTS) == 0)

        run.wait(calm, "doubts are decided", _LEG_SECONDS)
        if not run.value(_DUE):
            return
        if not self._coming:
            self._coming = run.dice.sample(FAULTS, len(FAULTS))
        fault = self._coming.pop()
        fault(run)
        self.faults[(fault.__doc__ or "").rstrip(".")] += 1

    def _load(self, leg: int, number: int, rows: int) -> pl.DataFrame:
        """A campaign from a file; the rows that the count expects."""
        run = self.run
        people = pl.select(n=pl.int_range(rows, dtype=pl.Int64)).select(
            telefono=pl.format("11{}", 20_000_000 + pl.col("n")), n="n"
        )
        path = Path(run.folder) / "lista.csv"
        people.write_csv(path, separator=";")
        spec = CampaignSpec(template=f"Tramo {leg}, aviso {number} para {{n}}", priority=_PRIORITIES[number])
        with open_source(path) as source, run.runtime.engine.begin() as connection:
            loaded = loading.load(connection, run.runtime.settings, spec, source)
        assert loaded.campaign_id is not None
        return people.select(
            campaign_id=pl.lit(loaded.campaign_id, pl.Int64),
            destino="telefono",
            texto=pl.format(f"Tramo {leg}, aviso {number} para {{}}", "n"),
        )

    def _count(self, wanted: pl.DataFrame) -> Tally:
        began = time.monotonic()
        run = self.run
        campaigns = wanted["campaign_id"].unique().sort().to_list()
        ledger = books.read(run.simulator.table(), books.LEDGER)
        tally = books.count(wanted, self._messages(campaigns), ledger)
        stats = run.simulator.stats()
        tally.posts = int(stats["posts"])
        if stats["ignored"]:
            tally.complain(f"the provider could not read {stats['ignored']} lines")
        for campaign in campaigns:
            with run.runtime.engine.connect() as connection:
                tally.complaints += audit.audit(connection, campaign).complaints
        tally.complaints += run.complaints
        run.complaints.clear()
        self.checking += time.monotonic() - began
        return tally

    def _messages(self, campaigns: list[int]) -> pl.DataFrame:
        statement = sql.SQL(
            f"COPY (SELECT {_STATUS} FROM message_status WHERE campaign_id = ANY({{}})) TO STDOUT"
        ).format(sql.Literal(campaigns))
        url = self.run.values["DISPATCHER_DATABASE_URL"]
        with psycopg.connect(url) as connection, connection.cursor().copy(statement) as rows:
            return books.read(b"".join(rows), books.MESSAGES)

    def _forget(self) -> None:
        """The provider forgets what was counted, and a day passes for what we know of its pace."""
        self.run.simulator.reset()
        self.run.sql("UPDATE result_delay SET hour = hour - interval '25 hours'")


def play(arena: Arena, messages: int, seed: int = 1) -> tuple[Tally, float]:
    """Run the legs and print a line for each. Returns the sum and the seconds that it took, counting included."""
    run = Run(arena, "marathon", seed, SETTINGS, OPTIONS)
    marathon = Marathon(run)
    try:
        run.processes.worker(slots=6)
        run.processes.beat()
        run.wait(lambda: run.value("SELECT count(*) FROM heartbeat") > 0, "worker and beat show signs of life", 60)
        began = time.monotonic()
        for number, first in enumerate(range(0, messages, LEG), start=1):
            size = min(LEG, messages - first)
            at = time.monotonic()
            leg = marathon.leg(number, size)
            marathon.total += leg
            _say(f"leg {number}", leg, time.monotonic() - at)
        seconds = time.monotonic() - began
    finally:
        run.close()
    _say("all", marathon.total, seconds)
    click.echo(f"counting took {marathon.checking:.0f} of the {seconds:.0f} s; {marathon.faults.total()} faults:")
    for words, times in sorted(marathon.faults.items()):
        click.echo(f"    {times:>4} x {words}")
    return marathon.total, seconds


def _say(name: str, tally: Tally, seconds: float) -> None:
    click.echo(
        f"{name:<8}{tally.messages:>12,} messages {tally.posts:>7,} POSTs  lost {tally.lost}  twice {tally.twice}  "
        f"outside {tally.outside}  wrong {tally.wrong}  held {tally.held}  "
        f"{seconds:>7.1f} s {tally.messages / seconds:>9,.0f}/s  last result after {tally.recovery:.1f} s"
    )
    for words in tally.complaints:
        click.echo(f"    {words}")
