"""`dispatcher person …`: everything about one telephone number."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from dispatcher.cli.command import command
from dispatcher.cli.help_layout import WholeGroup
from dispatcher.cli.output import Output
from dispatcher.cli.sessions import session
from dispatcher.domain.window import provider_local
from dispatcher.i18n.terms import kind_word, optout_word, reply_state, source_word, status
from dispatcher.i18n.words import worded
from dispatcher.people import erasing, history
from dispatcher.suppression import optouts


@click.group(cls=WholeGroup)
def person() -> None:
    """Show everything that is known about one number, or erase it."""


@person.command()
@click.argument("number")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1_000), help="At most so many of each.")
@command
def show(output: Output, number: str, limit: int) -> None:
    """Show the messages to NUMBER (in any written form), its replies and its opt-outs, newest first."""
    with session() as runtime, runtime.engine.connect() as connection:
        found = history.find(connection, optouts.national(number, runtime.settings.country), limit)
    output.answer(_ready(asdict(found)))
    if found.optout:
        output.say(
            worded(
                "{number} opted out on {since} ({source}).",
                number=found.number,
                since=_local(found.optout.since),
                source=source_word(found.optout.source),
            )
        )
    if found.no_llame:
        output.say(worded("{number} is in the No Llame registry: it gets no marketing.", number=found.number))
    if found.undeliverable:
        output.say(
            worded(
                "{number} is not sent to until {until}: the provider cannot.",
                number=found.number,
                until=_local(found.undeliverable.until),
            )
        )
    output.table(
        "Messages",
        ["at", "campaign", "seq", "status", "code", "text"],
        [[_local(m.at), m.campaign_id, m.seq, status(m.status), m.result_code, m.text] for m in found.messages],
        right=("campaign", "seq", "code"),
    )
    output.table(
        "Replies",
        ["at", "campaign", "kind", "state", "text"],
        [
            [_local(r.received_at), r.campaign_id, kind_word(r.kind), reply_state(r.state), r.text]
            for r in found.replies
        ],
        right=("campaign",),
    )
    output.table(
        "Opt-outs",
        ["at", "action", "source", "reason"],
        [[_local(o.at), optout_word(o.action), source_word(o.source), o.reason] for o in found.optouts],
    )
    if not (found.messages or found.replies or found.optouts or found.undeliverable or found.no_llame):
        output.say(worded("Nothing is known about {number}.", number=found.number))


@person.command()
@click.argument("number")
@click.option("--reason", required=True, help="Why, for the audit trail; without the number.")
@command
def erase(output: Output, number: str, reason: str) -> None:
    """Erase a person: number, texts, replies, rows of lists. Sums stay; an opt-out is known again without the number.

    What is on its way or in doubt is erased when it ends. Backups, and what the provider keeps, are yours to see to.
    """
    with session() as runtime:
        national = optouts.national(number, runtime.settings.country)
        done = erasing.erase(runtime.engine, runtime.settings, national, reason)
    output.answer(asdict(done))
    output.say(
        worded(
            "Erased: messages {messages}, single messages {singles}, replies {replies}, invalid rows {invalid_rows}, "
            "opt-outs {optouts}, lists {lists}, files {files}.",
            messages=done.messages,
            singles=done.singles,
            replies=done.replies,
            invalid_rows=done.invalid_rows,
            optouts=done.optouts,
            lists=done.lists,
            files=done.files,
        )
    )
    if done.open:
        output.note("Something is still on its way: it is erased when it ends, as long as workers run.")


def _local(moment: datetime) -> str:
    return f"{provider_local(moment):%Y-%m-%d %H:%M:%S}"


def _ready(value: Any) -> Any:
    """The same, ready for JSON."""
    if isinstance(value, dict):
        return {name: _ready(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_ready(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value
