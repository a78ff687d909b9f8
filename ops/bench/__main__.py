"""`python -m ops.bench`: every measurement in one run, in homes of its own."""

import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import click

from dispatcher.errors import DispatcherError
from ops.alone import alone
from ops.bench import (
    campaign,
    history,
    load,
    memory,
    page,
    per_message,
    plain,
    report,
    settle,
    startup,
    stream,
    submit,
    urgent,
    webhooks,
    year,
)
from ops.bench.stack import home
from ops.bench.target import Target

T = TypeVar("T")
Section = tuple[str, str, list[Target]]
ALWAYS = (
    "startup",
    "load",
    "submit",
    "settle",
    "campaign",
    "plain",
    "webhooks",
    "memory",
    "page",
    "stream",
    "urgent",
    "per-message",
)
PARTS = (*ALWAYS, "history", "year")
"""History and year take long and much of a disk: they are measured when they are asked for."""


def _sizes(context: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    try:
        sizes = sorted({int(part.replace("_", "")) for part in value.split(",")})
    except ValueError:
        raise click.BadParameter("give numbers of messages, with commas between them") from None
    if sizes[0] < 1_000:
        raise click.BadParameter("fewer than 1,000 messages say nothing")
    return sizes


@click.command()
@click.option("--sizes", default="10000,100000,1000000", show_default=True, callback=_sizes, help="Campaigns to run.")
@click.option("--messages", default=500_000, show_default=True, help="Rows for load, submit and settle.")
@click.option("--tasks", default=20_000, show_default=True, help="Messages for the one-task-a-message design.")
@click.option("--beside", default=urgent.CAMPAIGN, show_default=True, help="Campaign beside the single messages.")
@click.option("--in-database", default=10_000_000, show_default=True, help="Messages that the page looks at.")
@click.option("--history", "in_history", default=20_000_000, show_default=True, help="Messages of the history.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="These parts alone; may be given again.")
@click.option("--markdown", is_flag=True, help="Print nothing but what docs/performance.md has under Figures.")
def main(
    sizes: list[int],
    messages: int,
    tasks: int,
    beside: int,
    in_database: int,
    in_history: int,
    only: tuple[str, ...],
    markdown: bool,
) -> None:
    """Measure and compare. Exit 0 when every target is met and every part ran, 1 otherwise.

    Each part starts its own Postgres, broker and simulated provider and removes them after; close what else would use
    the processors. What it is doing goes to stderr.
    """
    targets: list[Target] = []
    sections: list[str] = []
    failed: list[str] = []
    try:
        with alone(home(), "A benchmark is running already.", "Wait for it to end: both would be wrong."):
            for title, body, met in _sections(
                sizes, messages, tasks, beside, in_database, in_history, only or ALWAYS, failed
            ):
                sections.append(f"### {title}\n\n{body}")
                targets += met
                if not markdown:
                    click.echo(f"\n{sections[-1]}")
    except DispatcherError as error:
        raise click.ClickException(f"{error} {error.hint or ''}") from None
    summary = f"{_machine()}\n\n{report.targets_report(targets)}"
    if markdown:
        click.echo("\n\n".join([summary, *sections]))
    else:
        click.echo(f"\n### Targets\n\n{summary}")
    if failed:
        click.echo(f"\nNot measured, see above: {', '.join(failed)}", err=True)
    sys.exit(0 if not failed and all(target.met for target in targets) else 1)


def _machine() -> str:
    """Where the figures are from."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}; workers, "
        "Postgres, broker and the simulated provider together."
    )


def _sections(
    sizes: list[int],
    messages: int,
    tasks: int,
    beside: int,
    in_database: int,
    in_history: int,
    parts: tuple[str, ...],
    failed: list[str],
) -> Iterator[Section]:
    """Run the parts; one that fails leaves its name in `failed`, and the others go on."""
    campaigns: list[campaign.Outcome] = []

    def run(what: str, measure: Callable[[], T]) -> T | None:
        click.echo(f"Running {what} ...", err=True)
        try:
            return measure()
        except Exception:
            traceback.print_exc()
            failed.append(what)
            return None

    if "startup" in parts and (started := run("commands", startup.measure)):
        yield "Commands", *report.startup_report(started)
    if "load" in parts and (loaded := run(f"load, {messages:,}", partial(load.measure, messages))):
        yield "Load", *report.load_report(loaded)
    if "submit" in parts and (submitted := run(f"submit, {messages:,}", partial(submit.measure, messages))):
        yield "Submit", *report.submit_report(submitted)
    if "settle" in parts and (settled := run(f"settle, {messages:,}", partial(settle.measure, messages))):
        yield "Settle", *report.settle_report(settled)
    if "campaign" in parts:
        found = [run(f"a campaign of {size:,}", partial(campaign.measure, size)) for size in sizes]
        campaigns = [outcome for outcome in found if outcome is not None]
        if campaigns:
            yield "Campaign, from the CSV to the last code", *report.campaign_report(campaigns)
    if "plain" in parts:
        scripts = [run(f"the plain script, {size:,}", partial(plain.measure, size)) for size in sizes]
        yield "A plain script", *report.plain_report([each for each in scripts if each is not None], campaigns)
    largest = max(sizes)
    if "webhooks" in parts and (told := run(f"webhooks, {largest:,}", partial(webhooks.measure, largest))):
        yield "Webhooks", *report.webhooks_report(told)
    if "memory" in parts and (taken := run(f"`dispatcher up`, {largest:,}", partial(memory.measure, largest))):
        yield "Memory of `dispatcher up`", *report.memory_report(taken)
    if "page" in parts and (shown := run(f"the page over {in_database:,}", partial(page.measure, in_database))):
        yield "The page", *report.page_report(shown)
    if "stream" in parts and (taken_out := run(f"streams of {largest:,}", partial(stream.measure, largest))):
        yield "Results as a stream", *stream.report(taken_out)
    if "history" in parts and (kept := run(f"a history of {in_history:,}", partial(history.measure, in_history))):
        yield "Over a history", *report.history_report(kept)
    if "year" in parts and (passed := run("a year and a half", year.measure)):
        yield "A year and a half of sending", *report.year_report(passed)
    if "urgent" in parts and (waits := run("single messages beside a campaign", partial(urgent.measure, beside))):
        yield "Single messages beside a campaign", *report.urgent_report(waits)
    if "per-message" in parts and (single := run(f"{tasks:,} tasks", partial(per_message.measure, tasks))):
        yield "One task a message", *report.per_message_report(single, campaigns)


if __name__ == "__main__":
    main()
