"""`dispatcher retention`: what has been kept for as long as it should."""

from dataclasses import asdict

import click

from dispatcher.cli.command import command
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import session
from dispatcher.i18n.words import counted, worded
from dispatcher.maintenance import retention as keeping


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go; drop nothing.")
@command
def retention(output: Output, dry_run: bool) -> None:
    """Drop what has been kept for as long as DISPATCHER_RETENTION says; workers do it by themselves.

    The rows of campaigns that ended before then go: messages, results, invalid rows, attempts; replies and single
    messages as old. Sums by day and code stay for ever, and so do opt-outs and the audit trail. Nothing of an open
    campaign goes, nor of one with a message in doubt or held. A campaign made with --keep-days may go sooner.

    \b
    dispatcher retention --dry-run        what would go now
    """
    with session() as runtime:
        if dry_run:
            with runtime.engine.connect() as connection:
                gone = keeping.would_go(connection, runtime.settings)
        else:
            gone = keeping.run(runtime.engine, runtime.settings, seconds=3600)
    output.answer({"dry_run": dry_run, **asdict(gone)})
    output.say(
        "Rows are kept for ever."
        if gone.days is None
        else counted(
            gone.days,
            "Rows are kept for {n:,} day after the end of their campaign.",
            "Rows are kept for {n:,} days after the end of their campaign.",
        )
    )
    output.say("This would go:" if dry_run else "This is gone:")
    output.say(
        worded(
            "campaigns {campaigns:,}, their messages {messages:,}, replies {replies:,}, single messages {singles:,}, "
            "ranges as a whole {ranges:,}.",
            campaigns=gone.campaigns,
            messages=gone.messages,
            replies=gone.replies,
            singles=gone.single_messages,
            ranges=len(gone.ranges),
        )
    )
    if not gone.complete:
        output.note("Something is in use just now; run it again, or leave it to the workers.")
