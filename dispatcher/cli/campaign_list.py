"""`dispatcher campaign list`: the newest campaigns, once or again and again."""

from __future__ import annotations

import time

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dispatcher.campaigns import summary
from dispatcher.cli.command import command
from dispatcher.cli.output import Output, writable
from dispatcher.cli.progress_words import Seen, pace, share, short, state
from dispatcher.cli.sessions import session
from dispatcher.domain.display import shown
from dispatcher.errors import UsageError
from dispatcher.i18n.words import translated, worded
from dispatcher.runtime import Runtime

_WIDE = 100
"""Columns from which on a terminal gets a table; a narrower one gets three short lines a campaign."""
_HEADINGS = ("id", "name", "state", "start", "progress", "messages", "a minute", "ends", "invalid", "rejected")
_LOOK_EVERY = 2.0


@click.command(name="list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--watch", is_flag=True, help="Show it anew every 2 s, until Ctrl-C.")
@command
def list_(output: Output, limit: int, watch: bool) -> None:
    r"""List the newest campaigns: state, start, progress, pace, end, invalid rows, rejected messages.

    \b
    dispatcher campaign list --limit 10
    dispatcher campaign list --watch
    """
    if watch and output.as_json:
        raise UsageError(translated("--watch is for people, --json for programs."), hint=translated("Choose one."))
    with session() as runtime:
        found = _read(runtime, limit)
        output.answer({"campaigns": [each.as_json() for each in found]})
        if not found:
            output.say(translated("No campaigns yet. Hand one in with `dispatcher campaign create FILE --template …`."))
        elif watch:
            _repeat(output, runtime, limit)
        else:
            output.console.print(_picture(found, output.console.width))


def _read(runtime: Runtime, limit: int) -> list[Seen]:
    with runtime.engine.connect() as connection:
        every = summary.listing(connection, limit)
        return [Seen.of(connection, runtime.settings, each) for each in every]


def _repeat(output: Output, runtime: Runtime, limit: int) -> None:
    with Live(console=output.console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        try:
            while True:
                live.update(_picture(_read(runtime, limit), output.console.width), refresh=True)
                time.sleep(_LOOK_EVERY)
        except KeyboardInterrupt:
            return


def _picture(found: list[Seen], width: int) -> RenderableType:
    return _table(found) if width >= _WIDE else Group(*(_lines(each) for each in found))


def _table(found: list[Seen]) -> Table:
    table = Table(title=translated("Campaigns"), title_justify="left", header_style="bold")
    for heading in _HEADINGS:
        right = heading not in ("name", "state", "start", "ends")
        table.add_column(translated(heading), justify="right" if right else "left", overflow="fold")
    for each in found:
        c, ends = each.shown, each.progress.ends_about
        cells = [
            str(c.campaign_id),
            c.name,
            state(each),
            short(c.start_at or c.created_at),
            share(each),
            worded("{n:,}", n=c.messages),
            worded("{n:,.0f}", n=each.progress.rate_per_minute) if each.progress.rate_per_minute else "",
            short(ends) if ends else "",
            worded("{n:,}", n=c.invalid),
            worded("{n:,}", n=c.counts.get("rejected", 0)),
        ]
        table.add_row(*(Text(shown(writable(cell))) for cell in cells))
    return table


def _lines(seen: Seen) -> Text:
    """A campaign in three lines."""
    c = seen.shown
    progress = worded("{share} of {messages:,}", share=share(seen), messages=c.messages)
    numbers = worded(
        "from {start}; {invalid:,} invalid; {rejected:,} rejected",
        start=short(c.start_at or c.created_at),
        invalid=c.invalid,
        rejected=c.counts.get("rejected", 0),
    )
    said = [f"{c.campaign_id}  {c.name}: {state(seen)}", "; ".join([progress, *pace(seen)]), numbers]
    return Text("\n   ".join(shown(writable(each)) for each in said), overflow="fold")
