"""`dispatcher campaign …`, the operator's side: pause, resume, cancel, send, events, retry, audit."""

import sys
from pathlib import Path

import click

from dispatcher import audit_trail
from dispatcher.campaigns import audit as ledger
from dispatcher.campaigns import export, lifecycle, summary
from dispatcher.campaigns.action_words import action
from dispatcher.campaigns.outcome_words import outcome
from dispatcher.campaigns.reason_words import who, why
from dispatcher.cli import ops_loader
from dispatcher.cli.campaign_views import count
from dispatcher.cli.command import command
from dispatcher.cli.halted import in_flight
from dispatcher.cli.output import FAILED, Output
from dispatcher.cli.sessions import session
from dispatcher.domain.window import provider_local
from dispatcher.errors import UsageError
from dispatcher.i18n.terms import state_word, status
from dispatcher.i18n.words import counted, worded
from dispatcher.suppression import no_llame

_WAIT = click.option(
    "--wait",
    type=click.FloatRange(min=0),
    help="Seconds to wait for POSTs in flight. Default: the time-out of one call.",
)


@click.command()
@click.argument("campaign_id", type=int)
@_WAIT
@command
def pause(output: Output, campaign_id: int, wait: float | None) -> None:
    """Stop sending until `campaign resume`. Waits for POSTs in flight, and reports those that are still open."""
    with session() as runtime:
        seconds = runtime.settings.provider_timeout + 5 if wait is None else wait
        _say_halted(
            output,
            lifecycle.pause(runtime.engine, campaign_id, wait=seconds, reason=f"paused by {audit_trail.current()}"),
        )


@click.command()
@click.argument("campaign_id", type=int)
@command
def resume(output: Output, campaign_id: int) -> None:
    """Resume a paused campaign. If the canary or the reject rate paused it, the rest is sent without a canary.

    The reject rate is then judged again, from what is posted after this. A campaign that you paused yourself goes on as
    it was: a canary still goes first.
    """
    with session() as runtime:
        _say_halted(output, lifecycle.resume(runtime.engine, campaign_id))


@click.command()
@click.argument("campaign_id", type=int)
@command
def send(output: Output, campaign_id: int) -> None:
    """Release a draft, so that it is sent when its time comes.

    A draft is made with `campaign create --draft`.
    """
    with session() as runtime:
        _say_halted(output, lifecycle.send(runtime.engine, runtime.settings, campaign_id))
        with runtime.engine.connect() as connection:
            warnings = no_llame.warnings(connection, summary.show(connection, campaign_id).intent)
    for warning in warnings:
        output.note(warning)
    ops_loader.hint()


@click.command()
@click.argument("campaign_id", type=int)
@command
def events(output: Output, campaign_id: int) -> None:
    """List who did what to a campaign, why and when."""
    with session() as runtime, runtime.engine.connect() as connection:
        summary.show(connection, campaign_id)
        found = audit_trail.of_campaign(connection, campaign_id)
    output.answer({"campaign_id": campaign_id, "events": [each.as_json() for each in found]})
    output.table(
        "Events",
        ["when", "who", "what", "chunk", "why"],
        [
            [
                f"{provider_local(each.at):%Y-%m-%d %H:%M:%S}",
                who(each.actor),
                action(each.action),
                each.chunk_no,
                why(each.reason),
            ]
            for each in found
        ],
        right=("chunk",),
    )


@click.command()
@click.argument("campaign_id", type=int)
@_WAIT
@command
def cancel(output: Output, campaign_id: int, wait: float | None) -> None:
    """Stop a campaign for good. Messages that were already sent still get their results."""
    with session() as runtime:
        seconds = runtime.settings.provider_timeout + 5 if wait is None else wait
        _say_halted(
            output,
            lifecycle.cancel(runtime.engine, campaign_id, wait=seconds, reason=f"cancelled by {audit_trail.current()}"),
        )


def _say_halted(output: Output, halted: lifecycle.Halted) -> None:
    output.answer({"campaign_id": halted.campaign_id, "state": halted.state, "in_flight": halted.in_flight})
    output.say(worded("Campaign {number} is {state}.", number=halted.campaign_id, state=state_word(halted.state)))
    if halted.in_flight:
        output.say(in_flight(halted.in_flight))


@click.command()
@click.argument("campaign_id", type=int)
@click.option(
    "--code", "codes", multiple=True, type=int, help="Messages with this result code, such as -10; repeatable."
)
@click.option("--reason", "words", help="Those with these words in the provider's text, like 'se han agotado'.")
@click.option("--failed", is_flag=True, help="All of them, whatever the code.")
@click.option("--template", help="Another text, from the columns of the list; while that is kept.")
@command
def retry(
    output: Output,
    campaign_id: int,
    codes: tuple[int, ...],
    words: str | None,
    failed: bool,
    template: str | None,
) -> None:
    """Make a new draft of the rejected messages; `campaign send` releases it.

    Opted-out numbers are left out, and so is what is in another draft of this kind already.

    \b
    dispatcher campaign retry 7 --code -10 --code -11
    dispatcher campaign retry 7 --failed
    dispatcher campaign retry 7 --code -5 --template 'Hola {nombre}, vence el {dia}. Empresa SA'
    """
    from dispatcher.campaigns import retrying

    if sum((bool(codes), words is not None, failed)) != 1:
        raise UsageError("Give --code, --reason or --failed.", hint="`dispatcher campaign show` lists the codes.")
    with session() as runtime:
        loaded = retrying.draft(
            runtime.engine, runtime.settings, campaign_id, codes=codes, words=words, template=template
        )
    output.answer({"campaign_id": loaded.campaign_id, "retry_of": campaign_id, **loaded.totals_json()})
    messages = counted(loaded.messages, "{n:,} message", "{n:,} messages")
    output.say(worded("Campaign {number} is a draft of {messages}.", number=loaded.campaign_id, messages=messages))
    output.say(worded("Send it with: dispatcher campaign send {number}", number=loaded.campaign_id))


@click.command()
@click.argument("campaign_id", type=int)
@click.option(
    "--output", "-o", "path", type=click.Path(dir_okay=False, path_type=Path), help="Also write the audit as CSV."
)
@click.option("--force", is_flag=True, help="Replace the file of --output if it exists.")
@command
def audit(output: Output, campaign_id: int, path: Path | None, force: bool) -> None:
    """Count the messages and compare with the counters; exit 0 if all agree."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = ledger.audit(connection, campaign_id)
    if path is not None:
        export.write_audit(found, path, force=force, separator=runtime.settings.csv_divider)
    output.answer(found.as_json())
    output.say(
        worded(
            "Campaign {number}: {rows} = {messages} + {invalid}.",
            number=campaign_id,
            rows=counted(found.rows, "{n:,} row", "{n:,} rows"),
            messages=counted(found.messages, "{n:,} message", "{n:,} messages"),
            invalid=counted(found.invalid, "{n:,} invalid row", "{n:,} invalid rows"),
        )
    )
    output.table(
        "Statuses",
        ["status", "messages", "meaning"],
        [[name, count(n), status(name)] for name, n in found.statuses.items()],
        right=("messages",),
    )
    output.table(
        "POSTs",
        ["outcome", "POSTs", "meaning"],
        [[name, count(n), outcome(name)] for name, n in found.attempts.items()],
        right=("POSTs",),
    )
    least, most = count(found.sent_min), count(found.sent_max)
    sent = least if least == most else worded("{least} to {most}", least=least, most=most)
    output.say(worded("Sent: {sent}. Decisions of people: {n:,}.", sent=sent, n=found.operator_actions))
    for complaint in found.complaints:
        output.say(worded("DOES NOT HOLD: {complaint}", complaint=complaint))
    if found.balanced:
        output.say("Every sum holds.")
    if path is not None:
        output.say(worded("Written to {path}", path=path))
    if not found.balanced:
        sys.exit(FAILED)
