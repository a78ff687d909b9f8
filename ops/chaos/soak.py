"""`make soak`: a steady rate for half an hour; memory, connections and queues must not grow, and nothing be lost.

With `--messages N` it is a marathon instead: N messages as fast as they go, under mixed faults (`marathon.py`).

The simulator remembers every line, so its memory grows by design and is shown without a verdict.
"""

import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median

import click
import psutil

from ops.bench.meter import tree
from ops.chaos import marathon
from ops.chaos.arena import arena
from ops.chaos.processes import QUEUES
from ops.chaos.run import Run
from ops.chaos.tally import Tally

EVERY = 5.0
"""Seconds between two samples, and between two campaigns."""
SETTINGS = {"CHUNK_SIZE": "1000", "PROVIDER_TIMEOUT": "60", "IN_DOUBT_HORIZON": "900", "POLL_INTERVAL": "2"}
GROWTH = 1.15
SLACK = 8 * 2**20
"""Memory may end at so many times its first quarter's, and bytes more: allocators breathe."""
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
_OLDEST_DUE = (
    "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(c.created_at)), 0) "
    "FROM chunk k JOIN campaign c ON c.id = k.campaign_id WHERE k.state = 'due'"
)


@dataclass
class Series:
    """Samples of one figure over the whole time."""

    values: list[float] = field(default_factory=list)

    @property
    def early(self) -> float:
        """What is usual in the second eighth: the first is warming up."""
        eighth = max(1, len(self.values) // 8)
        return median(self.values[eighth : 2 * eighth] or self.values)

    @property
    def late(self) -> float:
        """What is usual in the last eighth."""
        return median(self.values[-max(1, len(self.values) // 8) :])

    @property
    def peak(self) -> float:
        """The largest."""
        return max(self.values)

    @property
    def flat(self) -> bool:
        """Whether it ends where it was, give or take."""
        return self.late <= self.early * GROWTH + SLACK


@click.command()
@click.option("--minutes", default=30.0, show_default=True, help="How long messages come in.")
@click.option("--rate", default=500, show_default=True, help="Messages a second.")
@click.option("--messages", type=int, help="So many messages as fast as they go, under mixed faults, instead.")
@click.option("--seed", default=1, show_default=True, help="Of every random choice of the faults.")
def main(minutes: float, rate: int, messages: int | None, seed: int) -> None:
    """Soak the stack at a steady rate, or under faults, and print what it took."""
    with arena() as servers:
        if messages is not None:
            tally, _ = marathon.play(servers, messages, seed)
            sys.exit(0 if tally.clean() else 1)
        run = Run(servers, "soak", 1, SETTINGS, {"latency": 0.05, "delay_min": 1, "delay_max": 4})
        try:
            series = _soak(run, minutes * 60, round(rate * EVERY))
            tally = run.finish(120)
            series["queued at the end"] = Series([float(_queued(run))])
        finally:
            run.close()
    sys.exit(0 if _report(tally, series, minutes, rate) else 1)


def _soak(run: Run, seconds: float, batch: int) -> dict[str, Series]:
    """A campaign every few seconds, and a sample with each."""
    series: dict[str, Series] = defaultdict(Series)
    run.processes.start()
    run.wait(lambda: run.value("SELECT count(*) FROM heartbeat") > 0, "worker and beat show signs of life", 60)
    began = time.monotonic()
    number = 0
    while time.monotonic() < began + seconds:
        run.load(rows=batch, first=number * batch)
        number += 1
        for name, value in _sample(run).items():
            series[name].values.append(value)
        time.sleep(max(0.0, began + number * EVERY - time.monotonic()))
    run.healed()
    return series


def _sample(run: Run) -> dict[str, float]:
    roots = {
        "worker": run.processes.running["worker"].pid,
        "beat": run.processes.running["beat"].pid,
        "postgres": int((run.arena.servers.home / "postgres" / "postmaster.pid").read_text().splitlines()[0]),
        "valkey": int((run.arena.servers.home / "valkey" / "valkey.pid").read_text()),
        "simulator": run.simulator.pid,
    }
    found = {f"MB {kind}": _private(pid) for kind, pid in roots.items()}
    found["connections to Postgres"] = float(run.value(_CONNECTIONS))
    with run.arena.broker() as client:
        found["connections to Valkey"] = float(client.info("clients")["connected_clients"])
    found["queued tasks"] = float(_queued(run))
    found["oldest due, seconds"] = float(run.value(_OLDEST_DUE))
    return found


def _private(pid: int) -> float:
    """Bytes that a tree of processes has for itself, shared pages left out."""
    total = 0
    for process in tree(pid):
        try:
            total += process.memory_full_info().uss
        except psutil.Error:
            continue
    return float(total)


def _queued(run: Run) -> int:
    with run.arena.broker() as client:
        return sum(int(str(client.llen(queue))) for queue in QUEUES.split(","))


def _report(tally: Tally, series: dict[str, Series], minutes: float, rate: int) -> bool:
    """Print the table; whether everything held."""
    good = tally.clean()
    click.echo(f"{minutes:g} minutes at {rate} messages/s: {tally.messages:,} messages, {tally.posts:,} POSTs")
    click.echo(
        f"lost {tally.lost}, twice {tally.twice}, outside {tally.outside}, wrong {tally.wrong}, held {tally.held}; "
        f"everything was final {tally.recovery:.1f} s after the last {EVERY:g} s were over"
    )
    for words in tally.complaints:
        click.echo(f"    {words}")
    click.echo(f"{'':<26}{'early':>9}{'late':>9}{'peak':>9}")
    for name, one in series.items():
        size = 2**20 if name.startswith("MB") else 1
        held = True
        if name.startswith(("MB", "connections")) and name != "MB simulator":
            held = one.flat if name.startswith("MB") else one.late <= one.early + 2
        elif name == "queued at the end":
            held = one.late == 0
        figures = "".join(f"{value / size:>9.1f}" for value in (one.early, one.late, one.peak))
        click.echo(f"{name:<26}{figures}{'' if held else '  GROWS'}")
        good = good and held
    click.echo("Every promise was kept." if good else "Something was not.")
    return good


if __name__ == "__main__":
    main()
