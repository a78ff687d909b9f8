"""`dispatcher campaign …`, for whoever follows one: show, results."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import click

from dispatcher.campaigns import export, summary
from dispatcher.campaigns.reason_words import why
from dispatcher.campaigns.summary import Summary
from dispatcher.cli import start_words
from dispatcher.cli.command import command
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import session
from dispatcher.domain.window import provider_local
from dispatcher.errors import UsageError
from dispatcher.i18n.terms import meaning, state_word, status
from dispatcher.i18n.words import counted, translated, worded
from dispatcher.maintenance import workers_seen
from dispatcher.suppression import no_llame
from dispatcher.suppression.no_llame import MARKETING
from schemas.states import MessageStatus


@click.command()
@click.argument("campaign_id", type=int)
@command
def show(output: Output, campaign_id: int) -> None:
    """Show a campaign's state, statuses and result codes."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = summary.show(connection, campaign_id)
        unseen = workers_seen.complaint(connection)
        warnings = no_llame.warnings(connection, found.intent)
    over = found.state in ("completed", "cancelled") and not found.in_flight
    warnings = [] if over else warnings
    output.answer({**found.as_json(), "warnings": warnings, "workers_seen": unseen is None})
    say_summary(output, found)
    if unseen and not over:
        output.note(unseen)
    for warning in warnings:
        output.note(warning)


def say_summary(output: Output, found: Summary) -> None:
    """A campaign for people."""
    state = state_word(found.state) + (translated(" (test)") if found.test else "")
    output.say(worded("Campaign {number} «{name}»: {state}", number=found.campaign_id, name=found.name, state=state))
    if found.blocked:
        output.say(worded("The account is BLOCKED: {why}", why=found.blocked))
    if found.reason:
        output.say(worded("Reason: {reason}", reason=why(found.reason)))
    begins = when(found.start_at or found.created_at)
    window = worded(" until {ends}", ends=when(found.expires_at)) if found.expires_at else ""
    rate = worded("; at most {rate:,} a minute", rate=found.rate) if found.rate else ""
    said = worded("From {begins}{window}; priority {priority}", begins=begins, window=window, priority=found.priority)
    off = worded("; not on {days}", days=", ".join(found.not_on)) if found.not_on else ""
    intent = translated("; marketing") if found.intent == MARKETING else ""
    output.say(f"{said}{rate}{off}{intent}.")
    messages = counted(found.messages, "{n:,} message", "{n:,} messages")
    invalid = counted(found.invalid, "{n:,} invalid row", "{n:,} invalid rows")
    output.say(
        worded("{messages} ({final:,} final), {invalid}.", messages=messages, final=found.final, invalid=invalid)
    )
    output.table(
        "Statuses",
        ["status", "messages", "meaning"],
        [[s, count(n), status(s)] for s, n in found.counts.items()],
        right=("messages",),
    )
    say_left_out(output, found.left_out)
    say_codes(output, found.result_codes)
    output.table(
        "Code -99, in the provider's words",
        ["messages", "words"],
        [[count(n), words] for words, n in found.other_words.items()],
        right=("messages",),
    )


LEFT_OUT = {
    "optout_at_load": "on the opt-out list when the campaign was loaded",
    "optout_at_claim": "opted out after that, before their turn came",
    "no_llame_at_load": "in the No Llame registry when the campaign was loaded",
    "no_llame_at_claim": "in the No Llame registry that was imported after that",
    "undeliverable_at_load": "on the do-not-send list when the campaign was loaded",
    "undeliverable_at_claim": "put on the do-not-send list after that",
}


def say_left_out(output: Output, left_out: Mapping[str, int]) -> None:
    """How many were left out, and why."""
    output.table(
        "Left out: nothing is sent to them",
        ["messages", "why"],
        [[count(n), translated(LEFT_OUT.get(reason, reason))] for reason, n in left_out.items()],
        right=("messages",),
    )


def say_codes(output: Output, codes: dict[int, int]) -> None:
    """The result codes with what they mean."""
    output.table(
        "Result codes",
        ["code", "messages", "meaning"],
        [[code, count(n), meaning(code)] for code, n in codes.items()],
        right=("code", "messages"),
    )


def when(moment: datetime | None) -> str:
    """A moment in the provider's time, as people read it."""
    return worded("{moment:%Y-%m-%d %H:%M:%S} (-03)", moment=provider_local(moment)) if moment else "—"


def count(n: int) -> str:
    """A number with its thousands divided as the reader does."""
    return worded("{n:,}", n=n)


@click.command()
@click.argument("campaign_id", type=int)
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl", "xlsx"]), default="csv", show_default=True)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in MessageStatus]),
    help="Only these; repeatable.",
)
@click.option("--code", "codes", multiple=True, type=int, help="Only messages with this result code; repeatable.")
@click.option("--since", help="Only results from this moment on, Argentine time: '2026-12-01 09:00'.")
@click.option("--with-list", is_flag=True, help="Beside each result the columns of your list, while that is kept.")
@click.option("--output", "-o", "path", type=click.Path(dir_okay=False, path_type=Path), help="A file; else stdout.")
@click.option("--force", is_flag=True, help="Replace the file of --output if it exists.")
@command
def results(
    output: Output,
    campaign_id: int,
    kind: str,
    statuses: tuple[str, ...],
    codes: tuple[int, ...],
    since: str | None,
    with_list: bool,
    path: Path | None,
    force: bool,
) -> None:
    """Export every message with its result code, in the columns of the view message_status.

    Times are Argentine time. --status, --code and --since together: a message must fit all of them.

    \b
    dispatcher campaign results 7 -o results.xlsx --format xlsx
    dispatcher campaign results 7 --status rejected --code -10 -o no_balance.csv
    dispatcher campaign results 7 --status rejected --with-list -o to_mend.csv
    """
    only = export.Only(statuses, codes, start_words.since(since) if since else None)
    with session() as runtime:
        with runtime.engine.connect() as connection:
            summary.show(connection, campaign_id)
        if path is None and (kind == "xlsx" or output.as_json):
            what = "XLSX" if kind == "xlsx" else "--json"
            raise UsageError(worded("{what} needs --output FILE.", what=what), hint=translated("Name a file."))
        rows = export.write_results(
            runtime.engine,
            campaign_id,
            kind,
            path,
            only=only,
            force=force,
            separator=runtime.settings.csv_divider,
            with_list=runtime.settings if with_list else None,
        )
    output.answer({"campaign_id": campaign_id, "rows": rows, "file": str(path)})
    if path is not None:
        written = counted(rows, "{n:,} message", "{n:,} messages")
        output.say(worded("{messages} written to {path}", messages=written, path=path))
