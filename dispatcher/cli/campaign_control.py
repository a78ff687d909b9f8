"""`dispatcher campaign …`, the operator's side: pause, resume, cancel, doubts, resolve, retry, audit."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click

from dispatcher import audit_trail
from dispatcher.campaigns import audit as ledger
from dispatcher.campaigns import export, lifecycle, operator_actions
from dispatcher.cli import ops_loader
from dispatcher.cli.command import command
from dispatcher.cli.output import FAILED, Output
from dispatcher.cli.sessions import session
from dispatcher.domain.window import provider_local
from dispatcher.errors import UsageError
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
        _say_halted(output, lifecycle.pause(runtime.engine, campaign_id, wait=seconds, reason="paused by the operator"))


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
            warnings = no_llame.warnings(connection, lifecycle.show(connection, campaign_id).intent)
    for warning in warnings:
        output.note(warning)
    ops_loader.hint()


@click.command()
@click.argument("campaign_id", type=int)
@command
def events(output: Output, campaign_id: int) -> None:
    """List who did what to a campaign, why and when."""
    with session() as runtime, runtime.engine.connect() as connection:
        lifecycle.show(connection, campaign_id)
        found = audit_trail.of_campaign(connection, campaign_id)
    output.answer({"campaign_id": campaign_id, "events": [each.as_json() for each in found]})
    output.table(
        "Events",
        ["when", "who", "what", "chunk", "why"],
        [
            [f"{provider_local(each.at):%Y-%m-%d %H:%M:%S}", each.actor, each.action, each.chunk_no, each.reason]
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
            output, lifecycle.cancel(runtime.engine, campaign_id, wait=seconds, reason="cancelled by the operator")
        )


def _say_halted(output: Output, halted: lifecycle.Halted) -> None:
    output.answer({"campaign_id": halted.campaign_id, "state": halted.state, "in_flight": halted.in_flight})
    output.say(f"Campaign {halted.campaign_id} is {halted.state}.")
    if halted.in_flight:
        output.say(f"{halted.in_flight} POSTs were already on their way; their outcome is not in yet.")


@click.command()
@click.argument("campaign_id", type=int)
@command
def doubts(output: Output, campaign_id: int) -> None:
    """List chunks with an unknown outcome, with the evidence so far."""
    with session() as runtime, runtime.engine.connect() as connection:
        lifecycle.show(connection, campaign_id)
        found = operator_actions.doubts(connection, campaign_id)
    output.answer({"campaign_id": campaign_id, "doubts": [asdict(doubt) for doubt in found]})
    output.table(
        "Doubts",
        [
            "chunk",
            "state",
            "since",
            "reason",
            "outcome",
            "messages",
            "found",
            "evidence",
            "absent",
            "held",
            "saldo",
            "after",
        ],
        [
            [
                d.chunk_no,
                d.state,
                f"{provider_local(d.since):%Y-%m-%d %H:%M:%S}",
                d.reason,
                d.outcome,
                d.messages,
                d.found,
                "" if d.evidence_at is None else f"{provider_local(d.evidence_at):%H:%M:%S}",
                d.absent,
                d.held,
                d.balance_before,
                d.balance_after,
            ]
            for d in found
        ],
        right=("chunk", "messages", "found", "absent", "held", "saldo", "after"),
    )
    if not found:
        output.say("No doubts.")
    elif any(d.held for d in found):
        output.say(f"Decide held ones: dispatcher campaign resolve {campaign_id} --chunk N --as sent|unsent")


@click.command()
@click.argument("campaign_id", type=int)
@click.option("--chunk", "chunk_no", type=int, help="This chunk; `campaign doubts` lists them.")
@click.option("--all", "every", is_flag=True, help="Every held chunk of the campaign.")
@click.option(
    "--as",
    "verdict",
    type=click.Choice(["sent", "unsent"]),
    required=True,
    help="sent: the provider has it, so wait for results. unsent: it does not, so send lines without a result again.",
)
@command
def resolve(
    output: Output, campaign_id: int, chunk_no: int | None, every: bool, verdict: Literal["sent", "unsent"]
) -> None:
    """Decide chunks in doubt or held; recorded under your name."""
    if (chunk_no is None) != every:
        raise UsageError("Give either --chunk N or --all.")
    with session() as runtime:
        with runtime.engine.connect() as connection:
            lifecycle.show(connection, campaign_id)
            held = [d.chunk_no for d in operator_actions.doubts(connection, campaign_id) if d.state == "held"]
        if not every:
            held = [int(chunk_no or 0)]
        done, refused = [], []
        for no in held:
            try:
                done.append({"chunk_no": no, **operator_actions.resolve(runtime.engine, campaign_id, no, verdict)})
            except UsageError as error:
                if not every:
                    raise
                refused.append({"chunk_no": no, "why": f"{error} {error.hint or ''}".strip()})
    output.answer({"campaign_id": campaign_id, "resolved": done, "refused": refused})
    output.say(f"Chunks resolved as {verdict}: {len(done)}.")
    for each in refused:
        output.say(f"Not resolved: {each['why']}")
    if refused:
        sys.exit(FAILED)


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
    output.say(f"Campaign {loaded.campaign_id} is a draft of {loaded.messages:,} messages.")
    output.say(f"Send it with: dispatcher campaign send {loaded.campaign_id}")


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
        f"Campaign {campaign_id}: {found.rows:,} rows = {found.messages:,} messages + {found.invalid:,} invalid rows."
    )
    output.table(
        "Statuses", ["status", "messages"], [[k, f"{n:,}"] for k, n in found.statuses.items()], right=("messages",)
    )
    output.table("POSTs", ["outcome", "count"], [[k, f"{n:,}"] for k, n in found.attempts.items()], right=("count",))
    sent = f"{found.sent_min:,}" if found.sent_min == found.sent_max else f"{found.sent_min:,}-{found.sent_max:,}"
    output.say(f"Sent: {sent}. Operator actions: {found.operator_actions}.")
    for complaint in found.complaints:
        output.say(f"DOES NOT HOLD: {complaint}")
    if found.balanced:
        output.say("Every sum holds.")
    if path is not None:
        output.say(f"Written to {path}")
    if not found.balanced:
        sys.exit(FAILED)
