"""`dispatcher inbox …`: what people answered."""

from pathlib import Path
from typing import Any

import click

from dispatcher.accounts import binding
from dispatcher.campaigns import export
from dispatcher.cli.command import command
from dispatcher.cli.help_layout import WholeGroup
from dispatcher.cli.output import Output
from dispatcher.cli.send import say_sent, single
from dispatcher.cli.sessions import session
from dispatcher.domain.window import provider_local
from dispatcher.errors import UsageError
from dispatcher.i18n.terms import kind_word, reply_state
from dispatcher.i18n.words import counted, translated, worded
from dispatcher.replies import handling
from dispatcher.replies import listing as reply_listing
from dispatcher.replies import pull as reply_pull
from dispatcher.replies.listing import Reply, State
from dispatcher.single_messages import send as sending
from dispatcher.suppression import optouts
from dispatcher.transports import Formato, Transport


@click.group(cls=WholeGroup, name="inbox")
def inbox_group() -> None:
    """Fetch replies, list them, export them, answer them, say what is done."""


@inbox_group.command()
@click.option("--origen", help="Only replies from this number.")
@click.option("--whole", is_flag=True, help="Read the whole inbox, not only unread replies.")
@click.option("--mark/--no-mark", default=None, help="Mark replies as read at the provider once they are stored.")
@click.option("--transport", type=click.Choice(["http", "soap"]), help="Default: DISPATCHER_TRANSPORT.")
@click.option("--format", "formato", type=click.Choice(["text", "excel"]), default="text", show_default=True)
@command
def pull(
    output: Output, origen: str | None, whole: bool, mark: bool | None, transport: Transport | None, formato: Formato
) -> None:
    """Fetch new replies now and list them."""
    with session(may_create=True) as runtime:
        number = optouts.national(origen, runtime.settings.country) if origen else None
        with runtime.engine.begin() as connection:
            account = binding.bind(connection, runtime.settings)
        kept = reply_pull.pull(
            runtime, account.id, origen=number, whole=whole, mark=mark, transport=transport, formato=formato
        )
        with runtime.engine.connect() as connection:
            found = reply_listing.listing(connection, len(kept) or 1, rows=kept)
    _show(output, found, "No new replies.")


@inbox_group.command(name="list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option(
    "--kind", type=click.Choice(["optout", "review", "reply"]), help="optout, or review: a person should look."
)
@click.option("--state", type=click.Choice(["new", "answered", "done"]), help="What was done about it.")
@click.option("--campaign", "campaign_id", type=int, help="Only replies to this campaign.")
@click.option("--origen", help="Only replies from this number.")
@command
def list_(
    output: Output, limit: int, kind: str | None, state: State | None, campaign_id: int | None, origen: str | None
) -> None:
    """List stored replies, newest first.

    \b
    dispatcher inbox list --kind review --state new     # what a person should look at
    dispatcher inbox reply 123 'Gracias, lo anotamos'   # answer it
    dispatcher inbox done 123                           # nothing is left to do
    """
    with session() as runtime, runtime.engine.connect() as connection:
        number = optouts.national(origen, runtime.settings.country) if origen else None
        found = reply_listing.listing(connection, limit, kind=kind, state=state, campaign_id=campaign_id, origen=number)
    _show(output, found, "No replies.")


@inbox_group.command(name="export")
@click.option("--campaign", "campaign_id", type=int, help="Only replies to this campaign.")
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl", "xlsx"]), default="csv", show_default=True)
@click.option(
    "--output",
    "-o",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file. Default: stdout.",
)
@click.option("--force", is_flag=True, help="Replace the file of --output if it exists.")
@command
def export_(output: Output, campaign_id: int | None, kind: str, path: Path | None, force: bool) -> None:
    """Export every reply, with the columns of the view inbox."""
    if path is None and (kind == "xlsx" or output.as_json):
        raise UsageError(
            worded("{what} needs --output FILE.", what="XLSX" if kind == "xlsx" else "--json"), hint="Name a file."
        )
    with session() as runtime:
        rows = export.write_inbox(
            runtime.engine, kind, path, campaign_id, force=force, separator=runtime.settings.csv_divider
        )
    output.answer({"replies": rows, "file": str(path)})
    if path is not None:
        output.say(
            worded("{replies} written to {path}", replies=counted(rows, "{n:,} reply", "{n:,} replies"), path=path)
        )


@inbox_group.command()
@click.argument("reply_id", type=int)
@click.argument("text")
@click.option("--idinterno", help="Your own reference, 1 to 50 letters and digits.")
@command
def reply(output: Output, reply_id: int, **fields: Any) -> None:
    """Answer the reply with this id (ID SMS MASIVOS): TEXT goes to its sender now."""
    with session() as runtime:
        with runtime.engine.connect() as connection:
            found = reply_listing.find(connection, reply_id)
        sent = sending.send(runtime, single(number=found.origen, **fields))
        if sent.good:
            with runtime.engine.begin() as connection:
                handling.answered(connection, found.reply_id)
    say_sent(output, sent)


@inbox_group.command()
@click.argument("reply_ids", metavar="ID...", type=int, nargs=-1, required=True)
@command
def done(output: Output, reply_ids: tuple[int, ...]) -> None:
    """Say that nothing is left to do about replies, by their ids (ID SMS MASIVOS)."""
    with session() as runtime, runtime.engine.begin() as connection:
        for reply_id in reply_ids:
            handling.done(connection, reply_listing.find(connection, reply_id).reply_id)
    output.answer({"done": list(reply_ids)})
    output.say(worded("Done: {reply_ids}.", reply_ids=", ".join(map(str, reply_ids))))


def _show(output: Output, found: list[Reply], nothing: str) -> None:
    output.answer({"replies": [each.as_json() for each in found]})
    output.table(
        "Replies",
        ["id", "from", "text", "received", "campaign", "seq", "kind", "state"],
        [
            [
                translated("(pushed)") if r.provisional else r.id,
                r.origen,
                r.texto,
                f"{provider_local(r.received_at):%Y-%m-%d %H:%M:%S}",
                r.campaign_id,
                r.seq,
                kind_word(r.kind),
                reply_state(r.state),
            ]
            for r in found
        ],
        right=("id", "campaign", "seq"),
    )
    if not found:
        output.say(nothing)
