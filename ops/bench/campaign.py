"""A whole campaign, from a CSV to the last result code, through real workers."""

import sys
from dataclasses import dataclass
from pathlib import Path

from ops.bench.lists import TEMPLATE, write_list
from ops.bench.meter import Meter, Usage
from ops.bench.stack import stack
from ops.bench.statements import Counters, counters, switch_on

COMPLETES_WITHIN = 600.0


@dataclass(frozen=True)
class Outcome:
    """What a campaign of `messages` took."""

    messages: int
    usage: Usage
    database: Counters


def measure(messages: int) -> Outcome:
    """Run a campaign of so many messages: `dispatcher campaign create`, worker, beat and simulator."""
    with stack(f"campaign-{messages}") as running:
        path = write_list(running.home / "clientes.csv", messages)
        switch_on(running)
        with running.workers():
            before = counters(running)
            with Meter(running.roots) as meter, running.processes(loader=create(path)):
                running.wait(lambda: running.scalar(COMPLETED), COMPLETES_WITHIN, "the campaign is not completed")
            asked = counters(running) - before
        settled = running.scalar("SELECT sum(n) FROM chunk_result")
        if settled != messages:
            raise RuntimeError(f"{settled} of {messages} messages have a result")
    return Outcome(messages, meter.usage, asked)


COMPLETED = "SELECT count(*) FROM campaign WHERE state = 'completed'"


def create(path: Path) -> list[str]:
    """The command that hands a list in."""
    fields = ["--template", TEMPLATE, "--id-column", "cliente"]
    return [sys.executable, "-m", "dispatcher", "campaign", "create", str(path), *fields, "--json"]
