"""`python -m ops.bench`: every measurement in one run, in homes of its own."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import click

from ops.bench import campaign, load, per_message, report, settle, submit
from ops.bench.report import Target

T = TypeVar("T")
PARTS = ("load", "submit", "settle", "campaign", "per-message")
Section = tuple[str, str, list[Target]]


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
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="These parts alone; may be given again.")
def main(sizes: list[int], messages: int, tasks: int, only: tuple[str, ...]) -> None:
    """Measure and compare. Exit 0 when every target that was measured is met, 1 otherwise."""
    targets: list[Target] = []
    for title, body, met in _sections(sizes, messages, tasks, only or PARTS):
        click.echo(f"\n## {title}\n\n{body}")
        targets += met
    click.echo(f"\n## Targets (2 cores, simulator included)\n\n{report.targets_report(targets)}")
    sys.exit(0 if all(target.met for target in targets) else 1)


def _sections(sizes: list[int], messages: int, tasks: int, parts: tuple[str, ...]) -> Iterator[Section]:
    campaigns: list[campaign.Outcome] = []
    if "load" in parts:
        yield "Load", *report.load_report(load.measure(messages))
    if "submit" in parts:
        yield "Submit", *report.submit_report(submit.measure(messages))
    if "settle" in parts:
        yield "Settle", *report.settle_report(settle.measure(messages))
    if "campaign" in parts:
        campaigns = [_noting(f"a campaign of {size:,}", partial(campaign.measure, size)) for size in sizes]
        yield "Campaign, from the CSV to the last code", *report.campaign_report(campaigns)
    if "per-message" in parts:
        outcome = _noting(f"{tasks:,} tasks", partial(per_message.measure, tasks))
        yield "One task a message", *report.per_message_report(outcome, campaigns)


def _noting(what: str, measure: Callable[[], T]) -> T:
    click.echo(f"Running {what} ...", err=True)
    return measure()


if __name__ == "__main__":
    main()
