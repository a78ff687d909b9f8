"""`dispatcher campaign …`, where evidence cannot decide: doubts, resolve."""

import sys
from dataclasses import asdict
from typing import Literal

import click

from dispatcher.campaigns import doubt_words, operator_actions, summary
from dispatcher.campaigns.operator_actions import Doubt
from dispatcher.cli.command import command
from dispatcher.cli.output import FAILED, Output
from dispatcher.cli.sessions import session
from dispatcher.errors import UsageError
from dispatcher.i18n.terms import status
from dispatcher.i18n.words import counted, worded


@click.command()
@click.argument("campaign_id", type=int)
@command
def doubts(output: Output, campaign_id: int) -> None:
    """List chunks with an unknown outcome, with the evidence so far.

    \b
    dispatcher campaign doubts 7
    """
    with session() as runtime, runtime.engine.connect() as connection:
        summary.show(connection, campaign_id)
        found = operator_actions.doubts(connection, campaign_id)
    output.answer({"campaign_id": campaign_id, "doubts": [asdict(doubt) for doubt in found]})
    for doubt in found:
        _say(output, doubt)
    if not found:
        output.say("No doubts.")
    elif any(d.held for d in found):
        output.say("Decide the held ones:")
        output.say(f"dispatcher campaign resolve {campaign_id} --chunk N --as sent|unsent")


def _say(output: Output, doubt: Doubt) -> None:
    output.say(worded("Chunk {n}: {state}", n=doubt.chunk_no, state=status(doubt.state)))
    for name, said in doubt_words.evidence(doubt):
        output.say(f"  {name}: {said}")


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
    """Decide chunks in doubt or held; recorded under your name.

    \b
    dispatcher campaign resolve 7 --chunk 3 --as sent
    dispatcher campaign resolve 7 --all --as unsent
    """
    if (chunk_no is None) != every:
        raise UsageError("Give either --chunk N or --all.")
    with session() as runtime:
        with runtime.engine.connect() as connection:
            summary.show(connection, campaign_id)
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
    if verdict == "sent":
        output.say(counted(len(done), "{n:,} chunk was decided as sent.", "{n:,} chunks were decided as sent."))
    else:
        output.say(counted(len(done), "{n:,} chunk was decided as unsent.", "{n:,} chunks were decided as unsent."))
    for each in refused:
        output.say(worded("Not decided: {why}", why=each["why"]))
    if refused:
        sys.exit(FAILED)
